import { randomBytes } from 'node:crypto'
import {
  type Clock,
  type ClockTimer,
  type ConnectionPool,
  PoolClosedError,
  type Queryable,
  type Session,
} from '@poolhouse/core'
import { newsOf, OwnQuestion } from '@poolhouse/core/kit'

/** What a server says about its connections. */
export interface CensusAnswer {
  /** How many it allows to ordinary roles, for all processes together. */
  readonly allowed: number
  /** How many there are, of all clients. */
  readonly sessions: number
  /** How many processes discover each other there, including this one; 0 if this one does not. */
  readonly instances: number
}

/** Options of a census. */
export interface CensusOptions {
  readonly clock: Clock
  readonly random: () => number
  /** Whether the processes on this server count each other. */
  readonly discover: boolean
  /**
   * Time between two connects to the server while they are spread, in milliseconds. The census then
   * waits a few turns, so that calls connect first. Default 0.
   */
  readonly patienceMs?: () => number
  /**
   * Takes an answer. `wasFull` says that the server has refused a connect with too many connections
   * (53300). Returns whether other processes leave this one less than its share.
   */
  readonly learn: (answer: CensusAnswer, wasFull: boolean) => boolean
}

const TAG = 'poolhouse-instance '
// Ordinary roles get what is not reserved for superusers and, since PostgreSQL 16, for
// pg_use_reserved_connections. Sessions of other roles show their database, user and
// `application_name`, and little else. Every name has its schema, because the `search_path` may put
// other objects of the same name in front.
const MINUS = 'OPERATOR(pg_catalog.-)'
const QUESTION = `select pg_catalog.current_setting('max_connections')::int
  ${MINUS} pg_catalog.current_setting('superuser_reserved_connections')::int
  ${MINUS} coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) as allowed,
  pg_catalog.count(*) filter (where datid is not null and usesysid is not null)::int as sessions,
  pg_catalog.count(distinct application_name) filter (where application_name OPERATOR(pg_catalog.~~) '${TAG}%')::int as instances
  from pg_catalog.pg_stat_activity`
const URGENT = 1_000
const LONGEST_MS = 5_000
const DISCOVER_MS = 10_000
const SQUEEZED_MS = 60_000
const SOON_MS = 1_000
// Turns of connects that the census leaves to calls.
const PATIENCE = 3
// The server may have restarted with other settings, or the process was suspended.
const OLD_MS = 300_000

/**
 * Asks one server how many connections it allows: with the first connection, after a refusal, and
 * when the answer is old. Each process that takes part in the discovery keeps a session there with
 * an `application_name` of its own, and counts such names every ten seconds.
 */
export class Census {
  readonly #options: CensusOptions
  readonly #name = TAG + randomBytes(8).toString('hex')
  // By pool: what removes its listeners. A pool that moves between servers comes and goes.
  readonly #pools = new Map<ConnectionPool, () => void>()
  #session: Session | undefined
  #timer: ClockTimer | undefined
  #isAsking = false
  #wasFull = false
  #isSqueezed = false
  #askedAt = Number.NEGATIVE_INFINITY
  #stopped = false

  /** Asks nothing before a pool has its first connection. */
  constructor(options: CensusOptions) {
    this.#options = options
  }

  /** Adds a pool of this server. */
  add(pool: ConnectionPool): void {
    if (this.#pools.has(pool)) return
    const onConnect = (): void => {
      const isUncounted = this.#options.discover && this.#session?.closed !== false
      if (!isUncounted && this.#wallNow() - this.#askedAt <= OLD_MS) return
      const patienceMs = this.#options.patienceMs?.() ?? 0
      if (patienceMs === 0) void this.#ask()
      else this.#askIn(PATIENCE * patienceMs)
    }
    const onError = ({ error }: { readonly error: unknown }): void => {
      if (newsOf(error) !== 'full') return
      this.#wasFull = true
      this.#askIn(0)
    }
    pool.on('connect', onConnect).on('error', onError)
    this.#pools.set(pool, () => pool.off('connect', onConnect).off('error', onError))
  }

  /** Removes a pool that is closed or has moved to another server. */
  remove(pool: ConnectionPool): void {
    this.#pools.get(pool)?.()
    this.#pools.delete(pool)
  }

  /** Stops. Its session is closed with the pool that has opened it. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const pool of [...this.#pools.keys()]) this.remove(pool)
  }

  async #ask(): Promise<void> {
    if (this.#isAsking || this.#stopped) return
    this.#isAsking = true
    const wasFull = this.#wasFull || this.#isSqueezed
    const before = this.#askedAt
    // Wall-clock time, which also counts while the process is suspended.
    this.#askedAt = this.#wallNow()
    let nextMs = this.#options.discover ? DISCOVER_MS : Number.POSITIVE_INFINITY
    try {
      const { allowed, sessions, instances } = await this.#answer()
      if (this.#stopped) return
      if (Number.isFinite(allowed)) {
        this.#wasFull = false
        this.#isSqueezed = this.#options.learn({ allowed, sessions, instances }, wasFull)
      }
    } catch {
      // No caller waits for this. The last answer stays in effect.
      this.#askedAt = before
      if (this.#wasFull) nextMs = Math.min(nextMs, SOON_MS * 10)
    } finally {
      this.#isAsking = false
      if (this.#isSqueezed) nextMs = Math.min(nextMs, SQUEEZED_MS)
      this.#askIn(nextMs)
    }
  }

  #askIn(delayMs: number): void {
    if (this.#stopped || delayMs === Number.POSITIVE_INFINITY) return
    const { clock, random } = this.#options
    const jittered = Math.max(SOON_MS, delayMs * (0.8 + 0.4 * random()))
    this.#timer?.cancel()
    this.#timer = clock.setTimer(() => void this.#ask(), jittered)
  }

  async #answer(): Promise<CensusAnswer> {
    if (this.#options.discover) return await asked(await this.#openSession())
    const pool = [...this.#pools.keys()].find((each) => {
      const { total, connecting } = each.stats()
      return total > connecting
    })
    if (pool === undefined) throw new Error('no pool has a connection')
    // Ahead of waiting calls: the answer may raise the limit for all of them.
    // Not `use`, which on Node.js before 24 makes every promise of the process dearer from then on.
    const lease = await pool.acquire({ priority: URGENT, timeoutMs: LONGEST_MS })
    try {
      return await asked(lease)
    } finally {
      // Unlike `release`, it may find the connection gone.
      await lease[Symbol.asyncDispose]()
    }
  }

  /** The session that other processes count, opened by the first pool that can. */
  async #openSession(): Promise<Session> {
    if (this.#session?.closed === false) return this.#session
    for (const pool of [...this.#pools.keys()]) {
      try {
        const session = await pool.openSession({
          applicationName: this.#name,
          timeoutMs: LONGEST_MS,
        })
        this.#session = session
        return session
      } catch (error) {
        if (!(error instanceof PoolClosedError)) throw error
        this.remove(pool)
      }
    }
    throw new Error('no pool is open')
  }

  #wallNow(): number {
    return this.#options.clock.wallNow()
  }
}

async function asked(connection: Queryable): Promise<CensusAnswer> {
  const { rows } = await new OwnQuestion().ask(QUESTION, (text) =>
    connection.query<{ [Name in keyof CensusAnswer]: unknown }>(
      { text },
      { timeoutMs: LONGEST_MS },
    ),
  )
  const { allowed, sessions, instances } = rows[0] ?? {}
  return { allowed: Number(allowed), sessions: Number(sessions), instances: Number(instances) }
}
