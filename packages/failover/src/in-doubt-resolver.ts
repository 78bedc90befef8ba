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
  type PresentHistory,
  pastStatement,
  readLsn,
  SERVER_COLUMNS,
  TIMELINE_BEGIN,
  TimelinePast,
} from '@poolhouse/core/kit'
import { awaitUntil } from './base/await-until.js'
import { isSign } from './base/fate.js'

/** What the resolver needs of the pool. */
export interface InDoubtHost {
  readonly clock: Clock
  /** System identifier of the cluster, once seen. */
  readonly systemId: string | undefined
  /** The history that the primary writes, as it said last. */
  readonly present: PresentHistory | undefined
  /**
   * The primary, now or when there is one; rejects when `deadline` has passed or when work may not
   * wait for it.
   */
  primary(deadline: number, signal: AbortSignal | undefined): Promise<ConnectionPool>
  /** A node could not be reached. */
  hint(node: string): void
}

/** What the present primary says about a transaction. */
export interface OutcomeFacts {
  readonly systemId: string
  readonly timeline: number
  /** When its postmaster started. */
  readonly startedAt?: string | undefined
  /** Its address and port, as it sees them. */
  readonly place?: string | undefined
  /** Whether its postmaster started after the transaction began, by its clock. */
  readonly isYounger?: boolean | undefined
  /** Where its timeline began; undefined if it does not tell. */
  readonly begin?: bigint | undefined
  /** Whether the server has recovered from a crash since the transaction began. */
  readonly crashed: boolean
  /**
   * What `pg_xact_status` says; `future` if the server has not come to that xid, undefined if it is
   * too old to be known.
   */
  readonly status: 'committed' | 'aborted' | 'in progress' | 'future' | undefined
}

// Recovery from a crash empties the statistics, also when only the server's processes were
// restarted and pg_postmaster_start_time() stays; a clean restart keeps them. A reset by hand looks
// like a crash and costs no more than an answer.
const FACTS = `\
select (select system_identifier::pg_catalog.text from pg_catalog.pg_control_system()) as system_id,
  pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) as wal_file,
  coalesce((select stats_reset OPERATOR(pg_catalog.>) $1::pg_catalog.timestamptz from pg_catalog.pg_stat_archiver), true)::pg_catalog.text as crashed,
  ${SERVER_COLUMNS.startedAt} as started_at, ${SERVER_COLUMNS.place} as place,
  (pg_catalog.pg_postmaster_start_time() OPERATOR(pg_catalog.>) $1::pg_catalog.timestamptz)::pg_catalog.text as is_younger,
  ${TIMELINE_BEGIN} as begin`
const STATUS = 'select pg_catalog.pg_xact_status($1::pg_catalog.xid8) as status'
// Its client has gone, so nobody but us waits for it. No other session can have this process id and
// this xid. One that waits for its synchronous standbys ($4 = false) gets some time first, because
// ended it would have committed on the primary alone.
const END = `\
select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a
where a.pid OPERATOR(pg_catalog.=) $1::int and a.backend_xid OPERATOR(pg_catalog.=) $2::pg_catalog.xid8::pg_catalog.xid
  and a.backend_start OPERATOR(pg_catalog.<=) $3::pg_catalog.timestamptz
  and ($4::boolean or coalesce(a.wait_event, '') OPERATOR(pg_catalog.<>) 'SyncRep')`

const LOOK_MS = 2_000
const PAUSE_BASE_MS = 20
const PAUSE_MOST_MS = 250
const SYNC_GRACE_MS = 3_000

/**
 * The transaction, and where the timeline that it began on had begun, as far as that was known
 * then.
 */
interface Doubt {
  readonly transaction: TransactionIdentity
  readonly systemId: string | undefined
  readonly begin: bigint | undefined
}

/**
 * Finds out what became of transactions whose COMMIT got no answer. It asks the present primary,
 * and believes "committed" only where the xid cannot have been given to another transaction since:
 * of the server that ran it, on the same timeline, without a crash in between.
 */
export class InDoubtResolver {
  readonly #host: InDoubtHost

  /** Asks nothing before somebody wants to know. */
  constructor(host: InDoubtHost) {
    this.#host = host
  }

  /** What will resolve a transaction that begins now, should its COMMIT get no answer. */
  resolverOf(transaction: TransactionIdentity): OutcomeResolver {
    const { systemId, present } = this.#host
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
    const { clock } = this.#host
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

  /** Asks once; undefined if asking again may tell more. */
  async #look(
    doubt: Doubt,
    limits: { deadline: number; signal: AbortSignal | undefined; impatient: boolean },
  ): Promise<TransactionOutcome | undefined> {
    const { clock } = this.#host
    const { deadline, signal } = limits
    let pool: ConnectionPool | undefined
    try {
      pool = await this.#host.primary(deadline, signal)
      const timeoutMs = Math.max(1, Math.min(LOOK_MS, deadline - clock.now()))
      const facts = await readFacts(pool, doubt.transaction, limits.impatient, timeoutMs, signal)
      const ran = { ...doubt.transaction, begin: doubt.begin }
      const outcome = outcomeOf(facts, ran, doubt.systemId)
      if (outcome !== 'history') return outcome
      return await readHistory(pool, facts.timeline, ran, timeoutMs, signal)
    } catch (error) {
      if (pool !== undefined && isSign(error)) this.#host.hint(pool.name)
      return undefined
    }
  }
}

/**
 * What the facts prove; `history` if the primary's timeline history may prove more, undefined if
 * time may tell more.
 *
 * An xid names one transaction only as long as the server remembers having given it out. A standby
 * that is promoted, and a server that recovers from a crash, have forgotten those that never came
 * to their log, and give them out again, so there "committed" may be another's. Every other answer
 * proves that ours is not committed there. The number of a timeline does not tell whose it is: two
 * standbys may have been promoted to the same one, or a standby started as a primary without a
 * promotion. So what another server says on it counts as little as after a promotion.
 */
export function outcomeOf(
  facts: OutcomeFacts,
  ran: RanOn,
  systemId: string | undefined,
): TransactionOutcome | 'history' | undefined {
  const { status } = facts
  const { timeline } = ran
  if (systemId === undefined || facts.systemId !== systemId) return 'unknown'
  // A primary that was left behind: another one will be found.
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
      // After a crash it is another transaction's: the processes of before are gone.
      return facts.crashed ? 'aborted' : undefined
    case 'future':
      return facts.crashed ? 'aborted' : 'unknown'
    case undefined:
      return 'unknown'
  }
}

/** Where a transaction ran. */
type RanOn = Pick<TransactionIdentity, 'timeline' | 'startedAt' | 'place'> & {
  readonly begin?: bigint | undefined
}

/**
 * Whether the server is the one that ran the transaction: in the same life, or restarted at the
 * same place since.
 */
function ranHere(facts: OutcomeFacts, ran: RanOn): boolean {
  if (ran.startedAt === undefined || facts.startedAt === undefined) return true
  if (ran.startedAt === facts.startedAt) return true
  // One address may lead to one server after the other. A server that was up when the transaction
  // began is no restart of the one that ran it.
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
  // In a transaction, because behind a pooler only that keeps the questions on one server.
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
    // Whatever the role is set to: SERIALIZABLE READ ONLY DEFERRABLE would wait for others.
    { readOnly: true, isolation: 'read committed', timeoutMs, signal },
  )
}

/**
 * Reads where the timeline of the transaction was left. Takes a role that may read the server's
 * files.
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
  // What it did stands behind the position at which it began.
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
