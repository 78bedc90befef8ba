import type { Executed } from './outcome.js'

/** What the server, or a pooler in front of it, said in one ErrorResponse. */
export interface ServerWords {
  /** SQLSTATE. */
  readonly code: string
  /** `ERROR`, `FATAL` or `PANIC`. */
  readonly severity: string
  /** The text. */
  readonly message: string
  /** Call stack inside the server, if it told one. */
  readonly where?: string | undefined
  /**
   * Function of the server that reported it. PostgreSQL names one for every error; a pooler does
   * not.
   */
  readonly routine?: string | undefined
}

/**
 * What an answer says about the server as a whole:
 *
 * - `none`: nothing
 * - `read-only`: it, or this session on it, refuses writes
 * - `in-recovery`: it is a standby, and refused what only a primary does
 * - `full`: it has no connection to give away
 * - `limited`: it has one, but not for this role or this database
 * - `short`: it runs, but lacks memory, disk or another resource
 * - `starting`: it runs, and does not accept log-ins yet, or no longer
 * - `going-down`: it ends its sessions
 * - `suspect`: the session was lost, or could not be opened, for a reason that may be the server's
 */
export type NodeNews =
  | 'none'
  | 'read-only'
  | 'in-recovery'
  | 'full'
  | 'limited'
  | 'short'
  | 'starting'
  | 'going-down'
  | 'suspect'

/**
 * Whether the same work may succeed when it is done again:
 *
 * - `never`: not without a change to it
 * - `conflict`: at once; other work was in its way
 * - `later`: when the server has had time
 * - `rerouted`: on the primary, once it is known which server that is
 */
type Repetition = 'never' | 'conflict' | 'later' | 'rerouted'

/** What an answer of the server means. */
export interface Meaning {
  /** Whether the session can be used further. */
  readonly session: 'goes-on' | 'over'
  /** Whether the server may have done the work that it answered. */
  readonly executed: Executed
  /** What it says about the server. */
  readonly node: NodeNews
  /**
   * Whether the same work may succeed when it is done again; `retryable` is true for all but
   * `never`.
   */
  readonly repeat: Repetition
}

/** At which point the server answered: at the log-in, to a statement, or to COMMIT. */
export type Occasion = 'log-in' | 'statement' | 'commit'

/** One line of the table. */
export interface OutcomeRule extends Meaning {
  /** The occasions and severities it is for, in words. */
  readonly said: 'ERROR' | 'ERROR at COMMIT' | 'FATAL, PANIC' | 'refused log-in'
  /** SQLSTATEs, or the first two characters of a class; none for every other code. */
  readonly codes: readonly string[]
  /** What else must be so, for the docs. */
  readonly only?: string
  /** Whether that is so. Default: yes. */
  readonly applies?: (said: ServerWords) => boolean
  /** Where the rule comes from. */
  readonly source: string
}

// `PreventCommandIfReadOnly` and `PreventCommandDuringRecovery` (tcop/utility.c) and
// `replorigin_check_prerequisites` (origin.c) are all that report 25006 in PostgreSQL 14 to 18. A
// RAISE reports from `exec_stmt_raise`, and postgres_fdw and dblink, which pass on what another
// server said, from functions of theirs.
const REFUSES_WRITES: ReadonlySet<string> = new Set([
  'PreventCommandIfReadOnly',
  'PreventCommandDuringRecovery',
  'replorigin_check_prerequisites',
])

// What PostgreSQL 14 to 18 says only while `RecoveryInProgress()`, by the function that reports it;
// the same code reported by any other function may have another reason. Not by the message, which
// may be translated (`lc_messages`).
const STANDBY_REFUSALS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [
    '0A000',
    new Set([
      // Unlogged and temporary relations, which no log fills (plancat.c).
      'get_relation_info',
      // SERIALIZABLE as the session's default (predicate.c), as an option of BEGIN or SET (the only
      // enum whose check reports this code), and READ WRITE (likewise the only boolean since OIDs
      // are gone).
      'GetSerializableTransactionSnapshot',
      'call_enum_check_hook',
      'call_bool_check_hook',
    ]),
  ],
  [
    '55000',
    new Set([
      'pg_current_wal_lsn',
      'pg_current_wal_insert_lsn',
      'pg_current_wal_flush_lsn',
      'pg_walfile_name',
      'pg_walfile_name_offset',
      'pg_switch_wal',
      'brin_summarize_range',
      'brin_desummarize_range',
      'gin_clean_pending_list',
      // A lock that a standby cannot take, where a function asks for it (lock.c).
      'LockAcquireExtended',
    ]),
  ],
])
const STANDBY_WORDS = /recovery is in progress|during recovery|hot standby/

// Where a write runs against the wall that it met no earlier check for: there is no id, and no log,
// to be had on a standby.
const NO_WRITE_POSSIBLE: ReadonlySet<string> = new Set([
  'GetNewObjectId',
  'GetNewTransactionId',
  'GetNewMultiXactId',
  'XLogBeginInsert',
])

// Functions by which a procedural language, or a foreign server behind one, reports an error in its
// own name.
const REPORTS_FOR_OTHERS: ReadonlySet<string> = new Set([
  'exec_stmt_raise',
  'pgfdw_report_error',
  'dblink_res_error',
  'dblink_res_internalerror',
  'PLy_elog_impl',
  'PLy_output',
])

// The last words of PgBouncer to a client that waits for a server connection and was given none:
// nothing of its statement has been passed on (`check_fast_fail` in objects.c and the waiting
// clients in janitor.c, 1.18 to 1.24). Whatever else it says may come from a server that was at
// work.
const POOLER_REFUSED =
  /^(?:server login has been failing, .*\(server_login_retry\)|query_wait_timeout)$/s

// Where PostgreSQL looks at who logs in and to which database (miscinit.c, postinit.c). What these
// report is about the two of them, whatever its code; their 53300 is the limit of the role or the
// database, and not that of the server.
const LOOKS_AT_ROLE_AND_DATABASE: ReadonlySet<string> = new Set([
  'CheckMyDatabase',
  'InitializeSessionUserId',
])

// What poolers say of one database or one user. PgBouncer has 08P01 for nearly everything,
// Supavisor XX000.
const POOLER_KNOWS_NOT =
  /^(?:no such (?:database|user)|database "?.*"? (?:is disabled|does not exist)|unsupported startup parameter|bouncer config error|Tenant or user not found|no more connections allowed \(max_(?:db|user)_client_connections\))/

/** A refusal that is about the role, the database or the settings of this log-in. */
const isAboutTheLogIn = ({ message, routine, where }: ServerWords): boolean => {
  // A call stack at the log-in is that of an event trigger ON login, which belongs to one database
  // (PostgreSQL 17 and later).
  if (where) return true
  if (routine === undefined) return POOLER_KNOWS_NOT.test(message)
  return LOOKS_AT_ROLE_AND_DATABASE.has(routine)
}

/**
 * The server's own word, and not one that a function raised: PostgreSQL tells of every error which
 * of its functions reported it.
 */
const isOwnRefusal = ({ routine }: ServerWords): boolean =>
  routine === undefined || REFUSES_WRITES.has(routine)

// Extensions have words of their own. What a function raises always has a call stack.
const isStandbyRefusal = ({ code, routine = '', message, where }: ServerWords): boolean =>
  STANDBY_REFUSALS.get(code)?.has(routine) === true || (!where && STANDBY_WORDS.test(message))

// An idle session has no call stack. PL/Python's `plpy.fatal` can raise a FATAL with any code, and
// always has one.
const hasNoContext = ({ where }: ServerWords): boolean => !where

const ERROR = { said: 'ERROR', session: 'goes-on' } as const
const AT_COMMIT = { said: 'ERROR at COMMIT', session: 'goes-on' } as const
const FATAL = { said: 'FATAL, PANIC', session: 'over' } as const
const LOG_IN = { said: 'refused log-in', session: 'over', executed: 'no' } as const

/**
 * The table; of each kind the first line that fits holds, and each kind ends with a line for every
 * other code.
 */
export const OUTCOME_RULES: readonly OutcomeRule[] = [
  {
    ...AT_COMMIT,
    codes: ['40003', '08007'],
    executed: 'unknown',
    node: 'none',
    repeat: 'never',
    source: 'these say themselves that it is not known whether the transaction was committed',
  },
  {
    ...ERROR,
    codes: ['25006'],
    only: 'reported by PostgreSQL itself, not raised by a function',
    applies: isOwnRefusal,
    executed: 'no',
    node: 'read-only',
    repeat: 'rerouted',
    source:
      'a write on a standby, or in a read-only transaction or session: refused before it has any effect',
  },
  {
    ...ERROR,
    codes: ['XX000'],
    only: 'reported where a standby has no transaction id, object id or log to give',
    applies: ({ routine }) => routine !== undefined && NO_WRITE_POSSIBLE.has(routine),
    executed: 'no',
    node: 'read-only',
    repeat: 'rerouted',
    source: 'a write on a standby that meets no earlier check: `lo_create` before 16, extensions',
  },
  {
    ...ERROR,
    codes: ['0A000', '55000'],
    only: 'reported by PostgreSQL itself, and only during recovery',
    applies: isStandbyRefusal,
    executed: 'no',
    node: 'in-recovery',
    repeat: 'rerouted',
    source:
      'what a standby cannot do: unlogged tables, SERIALIZABLE, READ WRITE, "recovery is in progress"; refused before it has any effect',
  },
  {
    ...ERROR,
    codes: ['40001', '40P01', '55P03'],
    executed: 'rolled-back',
    node: 'none',
    repeat: 'conflict',
    source: 'serialization failure, deadlock, replay on a standby, lock not available',
  },
  {
    ...ERROR,
    codes: [],
    executed: 'rolled-back',
    node: 'none',
    repeat: 'never',
    source:
      'an ERROR undoes its statement and leaves the session as good as before, whatever its code: functions, postgres_fdw and dblink raise codes of connections and of shutdowns too',
  },
  {
    ...FATAL,
    codes: ['57P05', '25P03'],
    only: 'without a call stack',
    applies: hasNoContext,
    executed: 'no',
    node: 'none',
    repeat: 'later',
    source:
      'idle_session_timeout and idle_in_transaction_session_timeout: their timers run only from ReadyForQuery to the next message (`PostgresMain`, steps 2 to 5), so what crossed these words on the wire was not carried out',
  },
  {
    ...FATAL,
    codes: ['08P01'],
    only: 'PgBouncer: `query_wait_timeout`, `server login has been failing …`',
    applies: ({ message }) => POOLER_REFUSED.test(message),
    executed: 'no',
    node: 'suspect',
    repeat: 'later',
    source: 'the pooler had no server for the statement and has passed nothing on',
  },
  {
    ...FATAL,
    codes: ['25P03', '25P04', '40001', '40P01', '57P04', '57P05'],
    executed: 'unknown',
    node: 'none',
    repeat: 'never',
    source:
      'limits of this session, and conflicts with replay; transaction_timeout can strike as a COMMIT ends (`CommitTransaction` disables its timer after the last point where it is looked for)',
  },
  {
    ...FATAL,
    codes: ['57P03'],
    executed: 'no',
    node: 'starting',
    repeat: 'later',
    source:
      'said instead of a session (`CAC_STARTUP`, `CAC_SHUTDOWN`, `CAC_NOTHOTSTANDBY`); should a session that is open hear it, its work under way is `unknown`',
  },
  {
    ...FATAL,
    codes: ['53300', '53400'],
    executed: 'no',
    node: 'full',
    repeat: 'later',
    source: 'said instead of a session, as above: too many connections',
  },
  {
    ...FATAL,
    codes: ['28', '3D000'],
    executed: 'no',
    node: 'none',
    repeat: 'never',
    source: 'said instead of a session, as above: wrong user, password or database',
  },
  {
    ...FATAL,
    codes: ['57P01', '57P02'],
    executed: 'unknown',
    node: 'going-down',
    repeat: 'never',
    source:
      'shutdown, `pg_terminate_backend`, crash of another process: can strike at any point of a statement',
  },
  {
    ...FATAL,
    codes: ['53'],
    executed: 'unknown',
    node: 'short',
    repeat: 'never',
    source: 'out of memory or disk; the server is alive',
  },
  {
    ...FATAL,
    codes: [],
    executed: 'unknown',
    node: 'suspect',
    repeat: 'never',
    source: 'the session is over, and what it was doing may have been done',
  },
  {
    ...LOG_IN,
    codes: ['57P03'],
    node: 'starting',
    repeat: 'later',
    source: 'starting up, shutting down, or in recovery without hot standby',
  },
  {
    ...LOG_IN,
    codes: ['53300'],
    only: 'reported by `InitializeSessionUserId` or `CheckMyDatabase`',
    applies: isAboutTheLogIn,
    node: 'limited',
    repeat: 'later',
    source: 'CONNECTION LIMIT of the role or of the database; others still get in',
  },
  {
    ...LOG_IN,
    codes: ['53300', '53400'],
    node: 'full',
    repeat: 'later',
    source: 'too many connections of the server',
  },
  {
    ...LOG_IN,
    codes: ['40', '55P03', '57014'],
    only: 'with a call stack, or not 57014',
    applies: ({ code, where }) => code !== '57014' || Boolean(where),
    node: 'none',
    repeat: 'later',
    source:
      'a log-in in conflict with replay or with other work, or an event trigger ON login that was cancelled',
  },
  {
    ...LOG_IN,
    codes: ['08', '53', '58', 'XX'],
    only: 'about the role, the database or the settings of this log-in: reported by `InitializeSessionUserId` or `CheckMyDatabase`, raised by an event trigger ON login, or in a pooler’s words',
    applies: isAboutTheLogIn,
    node: 'none',
    repeat: 'never',
    source: 'others still get in: pointless for this role and database until something is changed',
  },
  {
    ...LOG_IN,
    codes: ['57P04'],
    node: 'none',
    repeat: 'never',
    source: 'the database was dropped during the log-in',
  },
  {
    ...LOG_IN,
    codes: ['53'],
    node: 'short',
    repeat: 'later',
    source: 'out of memory or disk; the server is alive',
  },
  {
    ...LOG_IN,
    codes: ['57P01', '57P02'],
    node: 'going-down',
    repeat: 'later',
    source: 'the server ends its sessions',
  },
  {
    ...LOG_IN,
    codes: ['08', '57', '58', 'F0', 'XX'],
    node: 'suspect',
    repeat: 'later',
    source:
      'connection, operator, machine or server itself: may be anything that keeps it from opening sessions',
  },
  {
    ...LOG_IN,
    codes: [],
    node: 'none',
    repeat: 'never',
    source:
      'the server refuses this role, this database or these settings: wrong password (28), no such database (3D000), no right to connect (42501), database that takes no connections (55000), settings it does not take (22023, 42704), an event trigger ON login. Pointless until something is changed',
  },
]

/**
 * What an answer means: severity first, then the code. An ERROR is one that ReadyForQuery follows;
 * every other severity ends the session.
 */
export function meaningOf(said: ServerWords, occasion: Occasion = 'statement'): Meaning {
  for (const rule of OUTCOME_RULES) {
    if (!isFor(rule, said.severity, occasion)) continue
    if (rule.codes.length > 0 && !rule.codes.some((code) => said.code.startsWith(code))) continue
    if (rule.applies?.(said) !== false) return rule
  }
  throw new Error('each kind of answer ends with a rule for every other code')
}

function isFor({ said }: OutcomeRule, severity: string, occasion: Occasion): boolean {
  if (said === 'refused log-in' || occasion === 'log-in') {
    return said === 'refused log-in' && occasion === 'log-in'
  }
  if (said === 'FATAL, PANIC' || severity !== 'ERROR') {
    return said === 'FATAL, PANIC' && severity !== 'ERROR'
  }
  return said === 'ERROR' || occasion === 'commit'
}

/**
 * What is proven by the last words of a session about work that got no other answer: `rolled-back`
 * by an ERROR that PostgreSQL itself reported, since it undoes the statement whatever becomes of
 * the session; `no` by words that say that nothing was read; else undefined. An ERROR without a
 * routine comes from a pooler, which knows nothing of a server that was at work.
 */
export function provenByLastWords(said: ServerWords): 'no' | 'rolled-back' | undefined {
  const { code, message, routine, severity } = said
  if (routine === undefined && code === '08P01' && POOLER_REFUSED.test(message)) return 'no'
  if (severity === 'ERROR') return routine === undefined ? undefined : 'rolled-back'
  const isIdle = code === '57P05' || code === '25P03'
  return isIdle && hasNoContext(said) ? 'no' : undefined
}

/**
 * Whether the error was raised by a function, or passed on from a foreign server, so that the code
 * is theirs and not PostgreSQL's own.
 */
export function isRaised({ routine }: ServerWords): boolean {
  return routine !== undefined && REPORTS_FOR_OTHERS.has(routine)
}

/** Whether the code is about who logs in: class 28, wrong user or password. */
export function refusesUser(code: string): boolean {
  return code.startsWith('28')
}
