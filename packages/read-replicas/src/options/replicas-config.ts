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
import type { StatementClassifier } from '../classify/classification.js'
import { readClassify } from '../classify/classify-option.js'
import type {
  BalanceFunction,
  ReaderOptions,
  ReplicaSessionOptions,
  ReplicasOptions,
  StrategyName,
  WhenStaleOption,
} from './replicas-options.js'

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
