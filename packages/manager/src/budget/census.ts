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

/** What a server tells of its connections. */
export interface CensusAnswer {
  /** How many it allows to ordinary roles, all processes together. */
  readonly allowed: number
  /** How many there are, whoever has them. */
  readonly sessions: number
  /** How many processes discover each other there, this one included; 0 if this one does not. */
  readonly instances: number
}

/** What a census needs. */
export interface CensusOptions {
  readonly clock: Clock
  readonly random: () => number
  /** Whether the processes on this server count each other. */
  readonly discover: boolean
  /**
   * How far apart connects to the server are begun now, in milliseconds: its own can wait longer
   * than those that calls wait for. Default 0.
   */
  readonly patienceMs?: () => number
  /**
   * Takes an answer; `wasFull` if a connect was refused because there were too many. Returns
   * whether others leave us less than our share.
   */
  readonly learn: (answer: CensusAnswer, wasFull: boolean) => boolean
}

const TAG = 'poolhouse-instance '
// What ordinary roles may have: the rest is kept for superusers and, since PostgreSQL 16, for
// pg_use_reserved_connections. Of the sessions of other roles one sees the database, the user and
// `application_name`, and little else. All by schema, because a `search_path` may have others of
// these names in front.
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
// Turns of connects that it lets others have first.
const PATIENCE = 3
// A server may have come back with other settings, or the process from a freeze.
const OLD_MS = 300_000

/**
 * Asks one server how many connections it allows, when it becomes known, when it has refused one,
 * and when the answer has grown old. Processes that discover each other each keep a session there,
 * whose `application_name` is their own, and count such names every ten seconds.
 */
export class Census {
  readonly #options: CensusOptions
  readonly #name = TAG + randomBytes(8).toString('hex')
  // Each with what ends listening to it: a pool that moves between servers is here again and again.
  readonly #pools = new Map<ConnectionPool, () => void>()
  #session: Session | undefined
  #timer: ClockTimer | undefined
  #isAsking = false
  #wasFull = false
  #isSqueezed = false
  #askedAt = Number.NEGATIVE_INFINITY
  #stopped = false

  /** Waits for the first connection of a pool. */
  constructor(options: CensusOptions) {
    this.#options = options
  }

  /** One more pool of this server. */
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

  /** A pool is closed or about to be, or has moved to another server. */
  remove(pool: ConnectionPool): void {
    this.#pools.get(pool)?.()
    this.#pools.delete(pool)
  }

  /** Asks no more. Its session ends with the pool that has opened it. */
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
    // Time of the wall, which a process that was suspended does not miss.
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
      // Nobody waits for it. What was known holds until there is an answer.
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
    // Before those who wait: what it says may let all of them go on.
    return await pool.use(asked, { priority: URGENT, timeoutMs: LONGEST_MS })
  }

  /** The session that others count, opened by whichever pool still can. */
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
