/**
 * Options of an instance of postgres.js that opens no connection by them. Each option is set,
 * because for a missing one postgres.js looks into the environment.
 */
export const OWN_OPTIONS = {
  host: 'localhost',
  port: 5432,
  user: 'poolhouse',
  database: 'poolhouse',
  // postgres.js never sees the password, because it does not do the log-in.
  pass: (): string => '',
  max: 1,
  // The socket is already encrypted.
  ssl: false,
  sslnegotiation: null,
  idle_timeout: null,
  connect_timeout: null,
  max_lifetime: null,
  max_pipeline: 100,
  backoff: 0,
  keep_alive: null,
  prepare: true,
  debug: false,
  fetch_types: false,
  publications: 'alltables',
  target_session_attrs: 'primary',
  connection: { application_name: 'poolhouse' },
} as const
