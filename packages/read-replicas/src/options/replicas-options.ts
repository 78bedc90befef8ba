import type { Clock } from '@poolhouse/core'
import {
  checkBoolean,
  checkNumber,
  checkShownText,
  checkWord,
  describeName,
  describeValue,
  MAX_MS,
  nearestName,
  refuseUnknownOptions,
  systemClock,
} from '@poolhouse/core/kit'
import type { ClassifyMode, StatementClassifier } from '../classify/classification.js'
import { readClassify } from '../classify/classify-option.js'

/** The names of the strategies that come with the package. */
export type StrategyName = 'leastBusy' | 'roundRobin' | 'random' | 'weighted'

/** What a strategy may know about a replica. */
export interface ReplicaCandidate {
  /** Name of its pool. */
  readonly node: string
  /** Its zone, if the topology knows that. */
  readonly zone: string | undefined
  /** Reads of this pool that wait or run on it. */
  readonly inFlight: number
  /**
   * How long its answers take, averaged with a half-life of ten seconds, in milliseconds; undefined
   * while unknown.
   */
  readonly latencyMs: number | undefined
}

/**
 * A strategy of your own: gets the replicas that fit the read, at least one, and returns one of
 * them. If it throws, the read rejects with that error; if it returns anything else, with
 * `TypeError`. It runs for every read, so keep it cheap.
 */
export type BalanceFunction = (candidates: readonly ReplicaCandidate[]) => ReplicaCandidate

/** What to do with a read when no replica is fresh enough: see `ReplicasOptions.whenStale`. */
export type WhenStaleOption =
  | 'primary'
  | 'error'
  | {
      /** Longest wait for a replica that is fresh enough, in milliseconds. */
      readonly waitMs: number
      /** Where the read goes then. Default `primary`. */
      readonly otherwise?: 'primary' | 'error' | undefined
    }

/** Options of `withReplicas`. */
export interface ReplicasOptions {
  /** Name for messages and events. Default: the primary's name followed by `/replicas`. */
  name?: string | undefined
  /**
   * How to choose among the replicas that fit a read. `leastBusy` (default): of two random ones,
   * the one with less work and shorter answers. `roundRobin`: the one that was chosen least
   * recently. `random`. `weighted`: in proportion to `weights`, evenly spread. Or your own
   * function.
   */
  strategy?: StrategyName | BalanceFunction | undefined
  /**
   * Shares of the strategy `weighted`, by name of the replica's pool; 1 for those that are not
   * named. 0 keeps reads away while another replica fits.
   */
  weights?: Readonly<Record<string, number>> | undefined
  /**
   * Oldest data that a read accepts, in milliseconds. Default 5 000. 0 sends every read to the
   * primary; `Infinity` accepts any age, even an unknown one. Measured once a second, and more
   * often for less than 5 000; values below 300 send most reads to the primary. A reader or a
   * single call can set its own.
   */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that a replica may have left to replay, in bytes. Default `Infinity`.
   * Computed from two samples. A reader or a single call can set its own.
   */
  maxStalenessBytes?: number | undefined
  /**
   * What to do when no replica is fresh enough: `primary` (default), within `primaryShare`;
   * `error`, which rejects with `NoSuitableNodeError`; or `{ waitMs, otherwise }`, which waits for
   * a replica first. A reader or a session can set its own.
   */
  whenStale?: WhenStaleOption | undefined
  /**
   * Zone of this process. Only replicas of the same zone are used while one of them fits and has
   * connections to spare (reads of this pool use at most 80 % of its pool's `max`), then the others
   * too. Needs a topology, because only the nodes of a topology have zones.
   */
  zone?: string | undefined
  /** Most reads of this pool that may wait or run on one replica. Default `Infinity`. */
  maxReadsPerNode?: number | undefined
  /**
   * For how long a replica that comes back gets less than its share of the reads, growing from a
   * tenth to all of it, in milliseconds. Default 10 000; 0 for its full share at once.
   */
  slowStartMs?: number | undefined
  /**
   * Share of the primary's connections, from 0 to 1, that reads may hold at once when no replica
   * fits. Default 0.3, rounded down, but at least one connection. 0 keeps such reads off the
   * primary: they reject with `NoSuitableNodeError`.
   */
  primaryShare?: number | undefined
  /**
   * How often a read is sent again after its connection was lost, or after the replica cancelled it
   * in favour of replay. Default 1. A read that was not sent moves on to the next node without
   * counting; with 0 it rejects too.
   */
  readRetries?: number | undefined
  /**
   * After how many milliseconds without an answer a single statement is also sent to a second
   * replica. The first answer counts, and the other read is cancelled. Default: never. At most one
   * read in ten is sent twice.
   */
  hedgeAfterMs?: number | undefined
  /**
   * How long a read of a session waits for a replica to catch up with what the session has seen, in
   * milliseconds. Default 50. Then the read goes to the primary.
   */
  waitForTokenMs?: number | undefined
  /**
   * Secrets that sign session tokens: one, or several of which the first signs and all are
   * accepted. At least 16 characters each. Default: tokens are not signed. Without a secret,
   * visitors who make up a token can slow down only their own reads.
   */
  tokenSecret?: string | readonly string[] | undefined
  /**
   * What to do with the reads of a session that has seen what a failover has lost: `primary`
   * (default) answers with the present data and emits a `token` event; `error` rejects them with
   * `TokenBeyondHistoryError`.
   */
  onLostToken?: 'primary' | 'error' | undefined
  /**
   * Whether the text decides about statements that are declared neither a read nor a write.
   * Default: no, they go to the primary. `conservative` sends statements that are known to only
   * read to replicas; `optimistic` also those that call unknown functions, and runs them again on
   * the primary if the replica refuses. Or a classifier, such as `lexerClassifier()` makes for
   * functions of your own. All of these ask the primary for the names of the database's own
   * functions and sequences, at most every 30 s; until these are known, such statements go to the
   * primary.
   */
  classify?: ClassifyMode | StatementClassifier | undefined
  /** Time source; tests give a virtual one. Default: the system's monotonic clock. */
  clock?: Clock | undefined
  /**
   * Random source from 0 (included) to 1 (excluded), for choices and jitter. Default `Math.random`.
   */
  random?: (() => number) | undefined
}

/** Options of `reader`. */
export interface ReaderOptions {
  /**
   * Oldest data that reads of this view accept, in milliseconds. Default: the pool's
   * `maxStalenessMs`.
   */
  maxStalenessMs?: number | undefined
  /**
   * Most write-ahead log that a replica may have left to replay, in bytes. Default: the pool's
   * `maxStalenessBytes`.
   */
  maxStalenessBytes?: number | undefined
  /** What to do when no replica is fresh enough. Default: the pool's `whenStale`. */
  whenStale?: WhenStaleOption | undefined
}

/** Options of `session`. */
export interface ReplicaSessionOptions extends ReaderOptions {
  /**
   * How long a read waits for a replica to catch up, in milliseconds. Default: the pool's
   * `waitForTokenMs`.
   */
  waitForTokenMs?: number | undefined
  /**
   * How long the first read that finds no replica caught up waits for one, if that is longer, in
   * milliseconds: for jobs that are in no hurry. Default 0.
   */
  deferMs?: number | undefined
  /**
   * Whether `runWith` around a call says its intent where the call does not, and its session in
   * place of this one: for a session that serves a whole process, under requests that may have one
   * of their own. Default false.
   */
  ambient?: boolean | undefined
}

/** What to do with a read for which no replica is fresh enough, after waiting for one. */
interface WhenStale {
  /** Longest wait for a replica, in milliseconds. */
  readonly waitMs: number
  /** Where the read goes after the wait; `error` rejects it. */
  readonly otherwise: 'primary' | 'error'
}

/** What reads on a route accept. */
export interface ReadTerms {
  /** Oldest data, in milliseconds. */
  readonly maxStalenessMs: number
  /** Most write-ahead log left to replay, in bytes. */
  readonly maxStalenessBytes: number
  /** What to do when no replica is fresh enough. */
  readonly whenStale: WhenStale
}

/** The checked options of `withReplicas`, with every default filled in. */
export interface ReplicasConfig {
  readonly name: string
  readonly strategy: StrategyName | BalanceFunction
  readonly weights: ReadonlyMap<string, number>
  readonly terms: ReadTerms
  readonly maxReadsPerNode: number
  readonly slowStartMs: number
  readonly hedgeAfterMs: number | undefined
  readonly waitForTokenMs: number
  readonly tokenSecrets: readonly string[]
  readonly onLostToken: 'primary' | 'error'
  readonly zone: string | undefined
  readonly primaryShare: number
  readonly readRetries: number
  readonly classifier: StatementClassifier | undefined
  readonly clock: Clock
  readonly random: () => number
}

const WHERE = 'withReplicas'
const STRATEGIES: readonly StrategyName[] = ['leastBusy', 'roundRobin', 'random', 'weighted']
const SHORTEST_SECRET = 16
const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'strategy',
  'weights',
  'maxStalenessMs',
  'maxStalenessBytes',
  'whenStale',
  'maxReadsPerNode',
  'slowStartMs',
  'hedgeAfterMs',
  'waitForTokenMs',
  'tokenSecret',
  'onLostToken',
  'zone',
  'primaryShare',
  'readRetries',
  'classify',
  'clock',
  'random',
])
const READER_OPTIONS: ReadonlySet<string> = new Set([
  'maxStalenessMs',
  'maxStalenessBytes',
  'whenStale',
])
const SESSION_OPTIONS: ReadonlySet<string> = new Set([
  ...READER_OPTIONS,
  'waitForTokenMs',
  'deferMs',
  'ambient',
])
const WAIT_OPTIONS: ReadonlySet<string> = new Set(['waitMs', 'otherwise'])
const TO_PRIMARY: WhenStale = { waitMs: 0, otherwise: 'primary' }

/**
 * Checks the options of `withReplicas` and fills in the defaults. Throws `TypeError` or
 * `RangeError` naming option and value.
 */
export function readReplicasOptions(
  options: ReplicasOptions,
  primaryName: string,
  hasTopology: boolean,
): ReplicasConfig {
  requireObject(WHERE, options)
  refuseUnknownOptions(WHERE, options, KNOWN)
  if (options.weights !== undefined && options.strategy !== 'weighted') {
    throw new TypeError(`${WHERE}: weights need strategy: "weighted"`)
  }
  return Object.freeze({
    name: readText('name', options.name) ?? `${primaryName}/replicas`,
    strategy: readStrategy(options.strategy ?? 'leastBusy'),
    weights: readWeights(options.weights ?? {}),
    terms: readTerms(WHERE, options, {
      maxStalenessMs: 5_000,
      maxStalenessBytes: Number.POSITIVE_INFINITY,
      whenStale: TO_PRIMARY,
    }),
    maxReadsPerNode: checkNumber(
      WHERE,
      'maxReadsPerNode',
      options.maxReadsPerNode ?? Number.POSITIVE_INFINITY,
      { min: 1, max: Number.POSITIVE_INFINITY, integer: true },
    ),
    slowStartMs: checkMs('slowStartMs', options.slowStartMs ?? 10_000),
    hedgeAfterMs:
      options.hedgeAfterMs === undefined
        ? undefined
        : checkMs('hedgeAfterMs', options.hedgeAfterMs),
    waitForTokenMs: checkMs('waitForTokenMs', options.waitForTokenMs ?? 50),
    tokenSecrets: readSecrets(options.tokenSecret),
    onLostToken: checkWord(WHERE, 'onLostToken', options.onLostToken ?? 'primary', [
      'primary',
      'error',
    ] as const),
    zone: readZone(options.zone, hasTopology),
    primaryShare: checkNumber(WHERE, 'primaryShare', options.primaryShare ?? 0.3, {
      min: 0,
      max: 1,
    }),
    readRetries: checkNumber(WHERE, 'readRetries', options.readRetries ?? 1, {
      min: 0,
      max: 100,
      integer: true,
    }),
    classifier: readClassify(WHERE, options.classify),
    clock: readClock(options.clock),
    random: readFunction('random', options.random) ?? Math.random,
  })
}

/**
 * Checks the options of `reader` and returns what its reads accept. Throws `TypeError` or
 * `RangeError`.
 */
export function readReaderOptions(options: ReaderOptions, terms: ReadTerms): ReadTerms {
  requireObject('reader', options)
  refuseUnknownOptions('reader', options, READER_OPTIONS)
  return readTerms('reader', options, terms)
}

/** Checks the options of `session` and fills in the pool's. Throws `TypeError` or `RangeError`. */
export function readSessionOptions(
  options: ReplicaSessionOptions,
  config: Pick<ReplicasConfig, 'terms' | 'waitForTokenMs'>,
): { terms: ReadTerms; waitMs: number; firstWaitMs: number; isAmbient: boolean } {
  const where = 'session'
  requireObject(where, options)
  refuseUnknownOptions(where, options, SESSION_OPTIONS)
  const { ambient = false } = options
  return {
    terms: readTerms(where, options, config.terms),
    waitMs: checkMs('waitForTokenMs', options.waitForTokenMs ?? config.waitForTokenMs, where),
    firstWaitMs: checkMs('deferMs', options.deferMs ?? 0, where),
    isAmbient: checkBoolean(where, 'ambient', ambient),
  }
}

/**
 * The terms of reads with these options. What the options leave out is taken from `terms`. Throws
 * `TypeError` or `RangeError`.
 */
export function readTerms(where: string, options: ReaderOptions, terms: ReadTerms): ReadTerms {
  const { maxStalenessMs, maxStalenessBytes, whenStale } = options
  const bound = { min: 0, max: Number.POSITIVE_INFINITY }
  return {
    maxStalenessMs:
      maxStalenessMs === undefined
        ? terms.maxStalenessMs
        : checkNumber(where, 'maxStalenessMs', maxStalenessMs, bound),
    maxStalenessBytes:
      maxStalenessBytes === undefined
        ? terms.maxStalenessBytes
        : checkNumber(where, 'maxStalenessBytes', maxStalenessBytes, bound),
    whenStale: whenStale === undefined ? terms.whenStale : readWhenStale(where, whenStale),
  }
}

function readWhenStale(where: string, option: WhenStaleOption): WhenStale {
  if (option === 'primary') return TO_PRIMARY
  if (option === 'error') return { waitMs: 0, otherwise: 'error' }
  if (option === null || typeof option !== 'object') {
    throw new TypeError(
      `${where}: whenStale must be "primary", "error" or { waitMs, otherwise }, got ${describeValue(option)}`,
    )
  }
  refuseUnknownOptions(`${where}: whenStale`, option, WAIT_OPTIONS)
  return {
    waitMs: checkMs('whenStale.waitMs', option.waitMs, where),
    otherwise: checkWord(where, 'whenStale.otherwise', option.otherwise ?? 'primary', [
      'primary',
      'error',
    ] as const),
  }
}

function checkMs(name: string, value: unknown, where = WHERE): number {
  return checkNumber(where, name, value, { min: 0, max: MAX_MS })
}

function readWeights(weights: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  requireObject(`${WHERE}: weights`, weights)
  const most = Number.MAX_SAFE_INTEGER
  return new Map(
    Object.entries(weights).map(([node, weight]) => [
      node,
      checkNumber(WHERE, `weights[${describeName(node)}]`, weight, { min: 0, max: most }),
    ]),
  )
}

function readSecrets(secret: unknown): readonly string[] {
  if (secret === undefined) return []
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret]
  for (const one of secrets) {
    // The message must not show the secret.
    if (typeof one !== 'string' || one.length < SHORTEST_SECRET) {
      throw new TypeError(
        `${WHERE}: tokenSecret must be a string of at least ${SHORTEST_SECRET} characters, or an array of such strings`,
      )
    }
  }
  return secrets as readonly string[]
}

function requireObject(where: string, options: unknown): void {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new TypeError(`${where}: options must be an object, got ${describeValue(options)}`)
  }
}

function readStrategy(strategy: unknown): StrategyName | BalanceFunction {
  if (typeof strategy === 'function') return strategy as BalanceFunction
  if (STRATEGIES.includes(strategy as StrategyName)) return strategy as StrategyName
  const near = typeof strategy === 'string' ? nearestName(strategy, STRATEGIES) : undefined
  const known = STRATEGIES.map((name) => `"${name}"`).join(', ')
  throw new TypeError(
    `${WHERE}: strategy must be ${known} or a function, got ${describeValue(strategy)}` +
      (near === undefined ? '' : `; did you mean "${near}"?`),
  )
}

function readText(option: string, value: unknown): string | undefined {
  return value === undefined ? undefined : checkShownText(WHERE, option, value)
}

function readZone(value: unknown, hasTopology: boolean): string | undefined {
  const zone = readText('zone', value)
  if (zone !== undefined && !hasTopology) {
    throw new TypeError(
      `${WHERE}: zone is "${zone}", but plain pools have no zones; give a topology whose nodes have them`,
    )
  }
  return zone
}

function readFunction<F>(option: string, value: F | undefined): F | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw new TypeError(`${WHERE}: ${option} must be a function, got ${describeValue(value)}`)
}

function readClock(clock: Clock | undefined): Clock {
  if (clock === undefined) return systemClock
  if (typeof clock?.now === 'function' && typeof clock.setTimer === 'function') return clock
  throw new TypeError(`${WHERE}: clock must be a clock, got ${describeValue(clock)}`)
}
