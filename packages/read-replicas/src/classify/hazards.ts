import type { Hazard } from '@poolhouse/core/sql'
import { SAFE_FUNCTIONS } from './safe-functions.js'

const loud = (reason: string): Hazard => ({ reason, silent: false })
const silent = (reason: string): Hazard => ({ reason, silent: true })

const SEQUENCE = loud('uses a sequence')
// Not silent, because it is only likely: a hint takes precedence.
const OF_SEQUENCE = loud('may belong to a sequence, which is ahead on a replica')
const SEQUENCE_COLUMNS: ReadonlySet<string> = new Set(['last_value', 'log_cnt', 'is_called'])
const SESSION_SEQUENCE = silent('asks for the last value of its session')
const LOCK = silent('takes or gives back a lock that holds on one server only')
const SETTING = silent('changes a setting of its session')
const RUNS_SQL = silent('runs SQL from a string')
const OUTSIDE = silent('acts on another server or on files')
const LARGE_OBJECT = silent('works on large objects')
const TRANSACTION_ID = silent('asks for a transaction of the primary')
const THIS_SERVER = silent('asks or changes the server it runs on')

const FUNCTIONS: ReadonlyMap<string, Hazard> = new Map([
  ['nextval', SEQUENCE],
  ['setval', SEQUENCE],
  ['currval', SESSION_SEQUENCE],
  ['lastval', SESSION_SEQUENCE],
  ['set_config', SETTING],
  ['setseed', SETTING],
  ['pg_notify', loud('sends a notification')],
  ['pg_export_snapshot', silent('exports a snapshot of its own server')],
  ['pg_current_xact_id', loud('takes a transaction id')],
  ['txid_current', loud('takes a transaction id')],
  ['query_to_xml', RUNS_SQL],
  ['query_to_xmlschema', RUNS_SQL],
  ['query_to_xml_and_xmlschema', RUNS_SQL],
  ['cursor_to_xml', RUNS_SQL],
  ['cursor_to_xmlschema', RUNS_SQL],
  ['ts_stat', RUNS_SQL],
  ['ts_rewrite', RUNS_SQL],
  ['crosstab', RUNS_SQL],
  ['connectby', RUNS_SQL],
  ['loread', LARGE_OBJECT],
  ['lowrite', LARGE_OBJECT],
  ['inet_server_addr', THIS_SERVER],
  ['inet_server_port', THIS_SERVER],
  ['currtid2', THIS_SERVER],
  ['brin_summarize_new_values', loud('maintains an index')],
  ['brin_summarize_range', loud('maintains an index')],
  ['brin_desummarize_range', loud('maintains an index')],
  ['gin_clean_pending_list', loud('maintains an index')],
])

const PREFIXES: readonly (readonly [prefix: string, hazard: Hazard])[] = [
  ['pg_advisory', LOCK],
  ['pg_try_advisory', LOCK],
  ['dblink', OUTSIDE],
  ['http', OUTSIDE],
  ['postgres_fdw_', OUTSIDE],
  ['pg_background', OUTSIDE],
  ['lo_', LARGE_OBJECT],
  ['txid_', TRANSACTION_ID],
  ['crosstab', RUNS_SQL],
  ['xpath_table', RUNS_SQL],
  ['binary_upgrade_', THIS_SERVER],
]

// By the first letter, because almost no function name has one of these prefixes.
const PREFIXES_BY_LETTER = new Map<number, (readonly [prefix: string, hazard: Hazard])[]>()
for (const entry of PREFIXES) {
  const letter = entry[0].charCodeAt(0)
  const others = PREFIXES_BY_LETTER.get(letter)
  if (others === undefined) PREFIXES_BY_LETTER.set(letter, [entry])
  else others.push(entry)
}

// Extensions that act outside the database, and Oracle's packages in orafce, which keep state in
// the session.
const SCHEMAS: ReadonlySet<string> = new Set([
  'aws_lambda',
  'aws_s3',
  'cron',
  'dbms_alert',
  'dbms_output',
  'dbms_pipe',
  'net',
  'utl_file',
])

// Functions that attributes may call, because they take one argument. Their prefixes alone would
// forbid the names of many columns.
const ATTRIBUTES: ReadonlySet<string> = new Set(
  'lo_close lo_creat lo_create lo_get lo_import lo_open lo_tell lo_tell64 lo_unlink http_delete http_get http_head txid_status'.split(
    ' ',
  ),
)
const ATTRIBUTE_PREFIXES: readonly string[] = ['pg_advisory', 'pg_try_advisory', 'dblink']

const TEMPORARY = silent('is the schema of tables that belong to one session')
const LOCAL_VIEW = silent('shows the server it is read on')
const LOCAL_VIEWS: ReadonlySet<string> = new Set([
  'pg_aios',
  'pg_backend_memory_contexts',
  'pg_config',
  'pg_cursors',
  'pg_file_settings',
  'pg_hba_file_rules',
  'pg_ident_file_mappings',
  'pg_locks',
  'pg_prepared_statements',
  'pg_prepared_xacts',
  'pg_replication_origin_status',
  'pg_replication_slots',
  // A standby shows the values as they were logged, up to 32 numbers ahead.
  'pg_sequences',
  'pg_settings',
  'pg_shmem_allocations',
  'pg_shmem_allocations_numa',
])

/** Why this function must not run on a replica; undefined if nothing is known against it. */
export function hazardOfFunction(schema: string | undefined, name: string): Hazard | undefined {
  if (schema !== undefined && SCHEMAS.has(schema)) return OUTSIDE
  if (schema === 'pg_temp') return TEMPORARY
  const found = FUNCTIONS.get(name)
  if (found !== undefined) return found
  for (const [prefix, hazard] of PREFIXES_BY_LETTER.get(name.charCodeAt(0)) ?? []) {
    if (name.startsWith(prefix)) return hazard
  }
  // Most functions with this prefix are about the server itself, and each version adds more.
  return name.startsWith('pg_') && !SAFE_FUNCTIONS.has(name) ? THIS_SERVER : undefined
}

/**
 * Why this name after a dot must not run on a replica, if it is no column:
 * `(7::bigint).pg_advisory_lock` calls that function, and so does `x.pg_advisory_lock` if x is the
 * result of a function in FROM. `schema` is the name before the dot; undefined if that is a value.
 */
export function hazardOfAttribute(schema: string | undefined, name: string): Hazard | undefined {
  const isForbidden =
    FUNCTIONS.has(name) ||
    ATTRIBUTES.has(name) ||
    ATTRIBUTE_PREFIXES.some((prefix) => name.startsWith(prefix)) ||
    // Relations of the catalog have such names too.
    (schema !== 'pg_catalog' && name.startsWith('pg_'))
  return isForbidden ? hazardOfFunction(undefined, name) : undefined
}

/**
 * Why a column of this name must not be read on a replica: sequences have such columns, and few
 * tables do. Undefined for all other names. `StatementReader` asks only about names of 7 to 12
 * characters, as these have.
 */
export function hazardOfColumn(name: string): Hazard | undefined {
  return SEQUENCE_COLUMNS.has(name) ? OF_SEQUENCE : undefined
}

/**
 * Why a relation of this name must not be read on a replica: it is a sequence of the database, or
 * has the default form of a sequence's name.
 */
export function hazardOfSource(name: string, sequences: ReadonlySet<string>): Hazard | undefined {
  return name.endsWith('_seq') || sequences.has(name) ? OF_SEQUENCE : undefined
}

/**
 * Why a relation or schema of this name must not be read on a replica; undefined if nothing is
 * known against it.
 */
export function hazardOfRelation(name: string): Hazard | undefined {
  if (!name.startsWith('pg_')) return undefined
  if (name.startsWith('pg_temp')) return TEMPORARY
  if (name.startsWith('pg_toast_temp')) return TEMPORARY
  // pg_stats and pg_statistic are replicated; pg_stat_… and pg_statio_… are the counters of one
  // server.
  const counts = name.startsWith('pg_stat_') || name.startsWith('pg_statio_')
  return counts || LOCAL_VIEWS.has(name) ? LOCAL_VIEW : undefined
}
