import type { Clock } from '@poolhouse/core'
import type { ClassifyMode, StatementClassifier } from '../classify/classification.js'

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

/**
 * Options of `withReplicas`.
 *
 * @example
 * const options: ReplicasOptions = {
 *   name: 'shop',
 *   strategy: 'leastBusy',
 *   maxStalenessMs: 2_000,
 *   maxStalenessBytes: 16 * 1_048_576,
 *   whenStale: 'primary',
 *   zone: 'eu-1a',
 *   maxReadsPerNode: 50,
 *   slowStartMs: 30_000,
 *   primaryShare: 0.2, // of its connections
 *   readRetries: 2,
 *   hedgeAfterMs: 100,
 *   waitForTokenMs: 100,
 *   onLostToken: 'error',
 *   classify: 'conservative',
 * }
 * const db = withReplicas(primary, primary.topology, options)
 */
export interface ReplicasOptions {
  /** Name for messages and events. Default: the primary's name followed by `/replicas`. */
  name?: string | undefined
  /**
   * How to choose among the replicas that fit a read. `leastBusy`: of two random ones, the one with
   * less work and shorter answers. `roundRobin`: the one that was chosen least recently. `random`.
   * `weighted`: in proportion to `weights`, evenly spread. Or your own function. Default
   * `leastBusy`.
   *
   * @example
   * withReplicas(primary, replicas, { strategy: (candidates) => candidates[0]! })
   */
  strategy?: StrategyName | BalanceFunction | undefined
  /**
   * Shares of the strategy `weighted`, by name of the replica's pool; 1 for those that are not
   * named. 0 keeps reads away while another replica fits. Default: none, so that all count the
   * same.
   *
   * @example
   * withReplicas(primary, replicas, { strategy: 'weighted', weights: { 'b:5432/shop': 3 } })
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
   * What to do when no replica is fresh enough: `primary`, within `primaryShare`; `error`, which
   * rejects with `NoSuitableNodeError`; or `{ waitMs, otherwise }`, which waits for a replica
   * first. A reader or a session can set its own. Default `primary`.
   *
   * @example
   * withReplicas(primary, replicas, { whenStale: { waitMs: 200, otherwise: 'error' } })
   */
  whenStale?: WhenStaleOption | undefined
  /**
   * Zone of this process. Only replicas of the same zone are used while one of them fits and has
   * connections to spare (reads of this pool use at most 80 % of its pool's `max`), then the others
   * too. Needs a topology, because only the nodes of a topology have zones. Default: none.
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
   * How many times a read is sent again after its connection was lost, or after the replica
   * cancelled it in favour of replay. Default 1. A read that was not sent moves on to the next node
   * without counting; with 0 it rejects too.
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
   *
   * @example
   * const { TOKEN_SECRET = '', OLD_TOKEN_SECRET = '' } = process.env
   * withReplicas(primary, replicas, { tokenSecret: [TOKEN_SECRET, OLD_TOKEN_SECRET] })
   */
  tokenSecret?: string | readonly string[] | undefined
  /**
   * What to do with the reads of a session that has seen what a failover has lost: `primary`
   * answers with the present data and emits a `token` event; `error` rejects them with
   * `TokenBeyondHistoryError`. Default `primary`.
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
   *
   * @example
   * const classify = lexerClassifier({ mode: 'optimistic', writes: ['app.take_turn'] })
   * withReplicas(primary, replicas, { classify })
   */
  classify?: ClassifyMode | StatementClassifier | undefined
  /**
   * Time source; tests give a virtual one. Default: the system's monotonic clock.
   *
   * @example
   * withReplicas(primary, replicas, { clock: virtualClock() }) // of @poolhouse/core/testing
   */
  clock?: Clock | undefined
  /**
   * Random source from 0 (included) to 1 (excluded), for choices and jitter. Default `Math.random`.
   *
   * @example
   * withReplicas(primary, replicas, { random: () => 0.5 })
   */
  random?: (() => number) | undefined
}

/**
 * Options of `reader`.
 *
 * @example
 * const reports = db.reader({
 *   maxStalenessMs: 60_000,
 *   maxStalenessBytes: Number.POSITIVE_INFINITY,
 *   whenStale: { waitMs: 1_000 }, // then the primary
 * })
 */
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

/**
 * Options of `session`.
 *
 * @example
 * const session = db.session(token, { waitForTokenMs: 200, deferMs: 2_000, ambient: true })
 */
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
