import {
  type Clock,
  type ConnectionPool,
  DatabaseError,
  type TransactionIdentity,
  type TransactionOutcome,
} from '@poolhouse/core'
import {
  endsSession,
  hasCondition,
  type OutcomeResolver,
  pastStatement,
  readLsn,
  SERVER_COLUMNS,
  TIMELINE_BEGIN,
  TimelinePast,
} from '@poolhouse/core/kit'
import { awaitUntil } from './base/await-until.js'
import { isHint } from './base/fate.js'
import type { CallDispatcher } from './calls/call-dispatcher.js'
import type { TopologyWatch } from './watch/topology-watch.js'

/** What the present primary says about a transaction. */
export interface OutcomeFacts {
  readonly systemId: string
  readonly timeline: number
  /** When its postmaster started. */
  readonly startedAt?: string | undefined
  /** Its address and port, as it sees them itself. */
  readonly place?: string | undefined
  /** Whether its postmaster started after the transaction began, by its clock. */
  readonly isYounger?: boolean | undefined
  /** Where its timeline began; undefined if that is unknown. */
  readonly begin?: bigint | undefined
  /** Whether the server has recovered from a crash since the transaction began. */
  readonly crashed: boolean
  /**
   * What `pg_xact_status` returns. `future` if the server has not assigned that xid yet; undefined
   * if the xid is too old.
   */
  readonly status: 'committed' | 'aborted' | 'in progress' | 'future' | undefined
}

// Crash recovery resets the statistics, even if only the backends were restarted and
// pg_postmaster_start_time() stays; a clean restart keeps them. A manual reset looks like a crash,
// which only makes the outcome `unknown`.
const FACTS = `\
select (select system_identifier::pg_catalog.text from pg_catalog.pg_control_system()) as system_id,
  pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) as wal_file,
  coalesce((select stats_reset OPERATOR(pg_catalog.>) $1::pg_catalog.timestamptz from pg_catalog.pg_stat_archiver), true)::pg_catalog.text as crashed,
  ${SERVER_COLUMNS.startedAt} as started_at, ${SERVER_COLUMNS.place} as place,
  (pg_catalog.pg_postmaster_start_time() OPERATOR(pg_catalog.>) $1::pg_catalog.timestamptz)::pg_catalog.text as is_younger,
  ${TIMELINE_BEGIN} as begin`
const STATUS = 'select pg_catalog.pg_xact_status($1::pg_catalog.xid8) as status'
// Ends the backend of the transaction: its client is gone. No other session has this process id and
// this xid. A backend that waits for synchronous standbys is spared at first ($4 = false), because
// ending it would commit on the primary alone.
const END = `\
select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a
where a.pid OPERATOR(pg_catalog.=) $1::int and a.backend_xid OPERATOR(pg_catalog.=) $2::pg_catalog.xid8::pg_catalog.xid
  and a.backend_start OPERATOR(pg_catalog.<=) $3::pg_catalog.timestamptz
  and ($4::boolean or coalesce(a.wait_event, '') OPERATOR(pg_catalog.<>) 'SyncRep')`

const LOOK_MS = 2_000
const PAUSE_BASE_MS = 20
const PAUSE_MOST_MS = 250
const SYNC_GRACE_MS = 3_000

/** A transaction, with what was known about its server when it began. */
interface Doubt {
  readonly transaction: TransactionIdentity
  readonly systemId: string | undefined
  /** Where its timeline had begun; undefined if that was unknown. */
  readonly begin: bigint | undefined
}

/**
 * Finds out what became of transactions whose COMMIT got no answer. It asks the present primary,
 * and accepts "committed" only if the xid cannot have been given to another transaction since: from
 * the server that ran the transaction, on the same timeline, without a crash in between.
 */
export class InDoubtResolver {
  readonly #clock: Clock
  readonly #watch: Pick<TopologyWatch, 'current' | 'present' | 'hint'>
  readonly #dispatcher: Pick<CallDispatcher, 'primary'>

  /** Sends nothing before an outcome is asked for. */
  constructor(
    clock: Clock,
    watch: Pick<TopologyWatch, 'current' | 'present' | 'hint'>,
    dispatcher: Pick<CallDispatcher, 'primary'>,
  ) {
    this.#clock = clock
    this.#watch = watch
    this.#dispatcher = dispatcher
  }

  /** What resolves a transaction that begins now, in case its COMMIT gets no answer. */
  resolverOf(transaction: TransactionIdentity): OutcomeResolver {
    const { current, present } = this.#watch
    const { systemId } = current
    const { startedAt, timeline } = transaction
    const isOfPresent =
      startedAt !== undefined && startedAt === present?.startedAt && timeline === present.timeline
    const doubt = { transaction, systemId, begin: isOfPresent ? present.begin : undefined }
    return ({ timeoutMs, signal }) => this.#resolve(doubt, timeoutMs, signal)
  }

  async #resolve(
    doubt: Doubt,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<TransactionOutcome> {
    const clock = this.#clock
    const startedAt = clock.now()
    const deadline = startedAt + timeoutMs
    const patientUntil = startedAt + Math.min(SYNC_GRACE_MS, timeoutMs / 3)
    for (let looks = 0; ; looks++) {
      const outcome = await this.#look(doubt, {
        deadline,
        signal,
        impatient: clock.now() >= patientUntil,
      })
      if (outcome !== undefined) return outcome
      if (clock.now() >= deadline || signal?.aborted) return 'unknown'
      const pause = Math.min(PAUSE_MOST_MS, PAUSE_BASE_MS * 2 ** looks)
      await awaitUntil(clock, Math.min(deadline, clock.now() + pause), signal, undefined)
    }
  }

  /** Asks once. Returns undefined if asking again later may tell more. */
  async #look(
    doubt: Doubt,
    limits: { deadline: number; signal: AbortSignal | undefined; impatient: boolean },
  ): Promise<TransactionOutcome | undefined> {
    const { deadline, signal } = limits
    let pool: ConnectionPool | undefined
    try {
      pool = await this.#dispatcher.primary(deadline, signal)
      const timeoutMs = Math.max(1, Math.min(LOOK_MS, deadline - this.#clock.now()))
      const facts = await readFacts(pool, doubt.transaction, limits.impatient, timeoutMs, signal)
      const ran = { ...doubt.transaction, begin: doubt.begin }
      const outcome = outcomeOf(facts, ran, doubt.systemId)
      if (outcome !== 'history') return outcome
      return await readHistory(pool, facts.timeline, ran, timeoutMs, signal)
    } catch (error) {
      if (pool !== undefined && isHint(error)) this.#watch.hint(pool.name)
      return undefined
    }
  }
}

/**
 * What the facts prove: an outcome, `history` if the history of the primary's timeline may prove
 * more, or undefined if asking again later may prove more.
 *
 * An xid identifies one transaction only as long as the server remembers having assigned it. A
 * standby that is promoted, and a server that recovers from a crash, do not know the xids that
 * never reached their log and assign them again; "committed" may then be said of another
 * transaction. Every other answer proves that ours is not committed there.
 *
 * The number of a timeline does not identify it: two standbys may have been promoted to the same
 * number, or a standby may have been started as a primary without a promotion. So on the same
 * timeline, the answer of another server counts as little as after a promotion.
 */
export function outcomeOf(
  facts: OutcomeFacts,
  ran: RanOn,
  systemId: string | undefined,
): TransactionOutcome | 'history' | undefined {
  const { status } = facts
  const { timeline } = ran
  if (systemId === undefined || facts.systemId !== systemId) return 'unknown'
  // A stale primary: the present one will be found.
  if (facts.timeline < timeline) return undefined
  if (facts.timeline > timeline) {
    return status === undefined || status === 'committed' ? 'history' : 'lost'
  }
  if (ran.begin !== undefined && facts.begin !== undefined && ran.begin !== facts.begin) {
    return 'lost'
  }
  if (!ranHere(facts, ran)) {
    return status === undefined || status === 'committed' ? 'unknown' : 'lost'
  }
  switch (status) {
    case 'committed':
      return facts.crashed ? 'unknown' : 'committed'
    case 'aborted':
      return 'aborted'
    case 'in progress':
      // After a crash the status is another transaction's: the former backends are gone.
      return facts.crashed ? 'aborted' : undefined
    case 'future':
      return facts.crashed ? 'aborted' : 'unknown'
    case undefined:
      return 'unknown'
  }
}

/** The server and timeline on which a transaction ran. */
type RanOn = Pick<TransactionIdentity, 'timeline' | 'startedAt' | 'place'> & {
  readonly begin?: bigint | undefined
}

/**
 * Whether the server is the one that ran the transaction: still in the same life, or restarted at
 * the same address since.
 */
function ranHere(facts: OutcomeFacts, ran: RanOn): boolean {
  if (ran.startedAt === undefined || facts.startedAt === undefined) return true
  if (ran.startedAt === facts.startedAt) return true
  // An address may lead to several servers one after the other. A server that was already up when
  // the transaction began is not a restart of the one that ran it.
  return ran.place === facts.place && facts.isYounger !== false
}

async function readFacts(
  pool: ConnectionPool,
  transaction: TransactionIdentity,
  impatient: boolean,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<OutcomeFacts> {
  const { xid, backendPid, begunAt, timeline } = transaction
  // A transaction, because only that keeps the statements on one server behind a pooler.
  return await pool.transaction(
    async (tx) => {
      const [row] = (await tx.query<FactsRow>(FACTS, [begunAt])).rows
      const facts = {
        systemId: row!.system_id,
        timeline: Number.parseInt(row!.wal_file.slice(0, 8), 16),
        crashed: row!.crashed === 'true',
        startedAt: row!.started_at ?? undefined,
        place: row!.place ?? undefined,
        isYounger: row!.is_younger === undefined ? undefined : row!.is_younger === 'true',
        begin: readLsn(row!.begin),
      }
      if (
        facts.timeline === timeline &&
        !facts.crashed &&
        ranHere({ ...facts, status: undefined }, transaction)
      ) {
        await tx.query(END, [backendPid, xid, begunAt, String(impatient)])
      }
      try {
        const { rows } = await tx.query<{ status: OutcomeFacts['status'] | null }>(STATUS, [xid])
        return { ...facts, status: rows[0]?.status ?? undefined }
      } catch (error) {
        if (!hasCondition(error, 'invalid_parameter_value')) throw error
        await tx.rollback()
        return { ...facts, status: 'future' as const }
      }
    },
    // Overrides a default of the role: SERIALIZABLE READ ONLY DEFERRABLE would wait for others.
    { readOnly: true, isolation: 'read committed', timeoutMs, signal },
  )
}

/**
 * Reads where the cluster left the timeline of the transaction. Needs a role that may read files of
 * the server; without that right the outcome is `unknown`.
 */
async function readHistory(
  pool: ConnectionPool,
  current: number,
  { timeline, startLsn, begin }: TransactionIdentity & RanOn,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<TransactionOutcome> {
  let past: TimelinePast | undefined
  try {
    const { rows } = await pool.query<{ history: string }>(pastStatement(current), {
      timeoutMs,
      signal,
    })
    past = TimelinePast.read(current, rows[0]?.history)
  } catch (error) {
    if (error instanceof DatabaseError && !endsSession(error)) return 'unknown'
    throw error
  }
  const begun = readLsn(startLsn)
  if (past === undefined || begun === undefined) return 'unknown'
  const began = past.beganAt(timeline)
  if (begin !== undefined && began !== undefined && begin !== began) return 'lost'
  // Everything that the transaction wrote is behind the position at which it began.
  return past.keeps(timeline, begun + 1n) === false ? 'lost' : 'unknown'
}

interface FactsRow {
  readonly system_id: string
  readonly wal_file: string
  readonly crashed: string
  readonly started_at?: string | null
  readonly place?: string | null
  readonly is_younger?: string
  readonly begin?: string | null
}
