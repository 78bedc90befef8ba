/**
 * Everything that a session can carry to its next borrower, as one row; none of the words of this
 * statement makes a pool reset the session.
 */
export const SESSION_STATE = `
  select current_setting('work_mem') as work_mem,
    current_setting('search_path') as search_path,
    current_setting('default_transaction_read_only') as read_only,
    current_setting('application_name') as application_name,
    coalesce(current_setting('app.tenant', true), '') as tenant,
    current_user::text as role,
    (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema() and relkind in ('r', 'S')) as relations,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_listening_channels()) as channels,
    (select count(*)::int from pg_cursors where name <> '') as cursors`

/** What may be left behind in a session, and the statements that do it. */
export const SESSION_CHANGES: readonly (readonly [what: string, ...texts: string[]])[] = [
  ['a setting', `set work_mem = '64MB'`],
  ['the search path', 'set search_path = pg_catalog'],
  ['read-only mode', 'set session characteristics as transaction read only'],
  ['the application name', `set application_name = 'left behind'`],
  ['a tenant key for row level security', `select set_config('app.tenant', 'acme', false)`],
  ['a role', 'set role pg_monitor'],
  ['a temporary table', 'create temp table scratch (n int)'],
  ['an advisory lock', 'select pg_advisory_lock(42)'],
  ['a LISTEN', 'listen news'],
  ['a cursor WITH HOLD', 'begin', 'declare c cursor with hold for select 1', 'commit'],
]
