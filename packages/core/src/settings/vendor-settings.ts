import { honoured, ignored, refused, type SettingGroup } from './setting.js'

const BOOLEANS = ['true', 'false', '1', '0']
const VALUES_ARE_CHOSEN =
  'how values are read is the option types, and what is sent is told in docs/types.md'

/** What Prisma reads in a URL, and with it the pages of Supabase, Vercel and Neon for Prisma. */
const PRISMA: SettingGroup = {
  title: 'Prisma',
  settings: [
    honoured('schema', 'connection.parameters.search_path; public is the default anyway'),
    honoured('connection_limit', 'max'),
    honoured('pool_timeout', 'acquireTimeoutMs, from seconds; 0 is the longest that there is'),
    honoured('socket_timeout', 'statementTimeoutMs, from seconds; 0 is none'),
    honoured('pgbouncer', "pooler: 'pgbouncer' for true", { values: BOOLEANS }),
    honoured('statement_cache_size', "prepare: 'off' for 0; any other number changes nothing"),
    honoured(
      'sslaccept',
      'connection.ssl.mode: strict is verify-full; accept_invalid_certs only beside sslmode=require or prefer, which say the same',
      {
        values: ['strict', 'accept_invalid_certs'],
      },
    ),
    refused('sslidentity', 'PKCS 12 is not read: use sslcert and sslkey with files in PEM form'),
    honoured('max_connection_lifetime', 'maxLifetimeMs, from seconds; 0 is for ever'),
    honoured('max_idle_connection_lifetime', 'idleTimeoutMs, from seconds; 0 is for ever'),
    refused('single_use_connections', 'use maxUses: 1'),
    refused('api_key', 'Prisma Accelerate is no PostgreSQL server: use the direct URL', {
      secret: true,
    }),
  ],
}

/** What node-postgres (pg-connection-string) reads in a URL beyond libpq's. */
const NODE_POSTGRES: SettingGroup = {
  title: 'node-postgres',
  settings: [
    honoured(
      'ssl',
      'connection.ssl.mode: true and 1 are verify-full, false and 0 are disable, and the words of sslmode are themselves; sslmode goes before true',
      {
        values: [...BOOLEANS, 'disable', 'prefer', 'require', 'verify-ca', 'verify-full'],
        otherwise: 'no-verify is called sslmode=require here, and allow begins in plain text',
      },
    ),
    ignored('uselibpqcompat', 'sslmode means what it means to libpq', {
      values: ['true'],
      otherwise: 'sslmode means what it means to libpq: use sslmode=verify-full to verify',
    }),
    honoured('statement_timeout', 'connection.parameters.statement_timeout, kept by the server'),
    honoured('lock_timeout', 'connection.parameters.lock_timeout'),
    honoured(
      'idle_in_transaction_session_timeout',
      'connection.parameters.idle_in_transaction_session_timeout',
    ),
    honoured('query_timeout', 'statementTimeoutMs; 0 is none'),
    ignored('encoding', 'both drivers speak UTF-8', {
      values: ['UTF8', 'UTF-8', 'utf8', 'utf-8', 'unicode'],
      otherwise: 'leave it out: both drivers speak UTF-8 alone',
    }),
    ignored('keepAlive', 'keep-alive is always on'),
    refused('binary', VALUES_ARE_CHOSEN),
    refused('connectionTimeoutMillis', 'use connect_timeout in seconds, or connectTimeoutMs'),
    refused('idleTimeoutMillis', 'use idle_timeout in seconds, or idleTimeoutMs'),
  ],
}

/** What postgres.js reads in a URL. It sends any other name as a run-time parameter. */
const POSTGRES_JS: SettingGroup = {
  title: 'postgres.js',
  settings: [
    honoured('max', 'max'),
    honoured('idle_timeout', 'idleTimeoutMs, from seconds; 0 is for ever'),
    honoured('max_lifetime', 'maxLifetimeMs, from seconds; 0 is for ever'),
    honoured('prepare', "prepare: 'off' for false; true changes nothing", { values: BOOLEANS }),
    ignored('keep_alive', 'keep-alive is always on'),
    ignored('max_pipeline', 'the option multiplex says what shares a connection'),
    ignored('backoff', 'the pool backs off by itself'),
    ignored('fetch_types', 'types are known without being fetched'),
    ignored('debug', 'events and diagnostics channels are always there'),
    refused('publications', 'logical replication needs a client of its own'),
    refused('search_path', 'use options=-c search_path=…, or connection.parameters'),
  ],
}

/** What else vendors and their pages put into URLs. */
const VENDORS: SettingGroup = {
  title: 'Vendors',
  settings: [
    ignored('supa', "Supabase's mark for its own integration with Vercel"),
    ignored('workaround', "Supabase's mark for old clients of its pooler"),
    ignored('pool_mode', "Supabase's word for the port: what the host and the port say counts", {
      values: ['session', 'transaction'],
    }),
    refused('endpoint', 'Neon reads it in options: use options=endpoint%3D…'),
    refused('reference', 'Supabase reads it in options: use options=reference%3D…'),
    refused('socketFactory', 'use host=/cloudsql/PROJECT:REGION:INSTANCE'),
    refused('cloudSqlInstance', 'use host=/cloudsql/PROJECT:REGION:INSTANCE'),
    refused('cluster', 'CockroachDB reads it in options: use options=--cluster%3D…'),
  ],
}

/** What drivers of other languages read in a URL. */
const OTHERS: SettingGroup = {
  title: 'JDBC, SQLAlchemy, Rails, Go',
  settings: [
    refused('currentSchema', 'use schema, or options=-c search_path=…'),
    refused('ApplicationName', 'use application_name'),
    refused('loginTimeout', 'use connect_timeout'),
    refused('connectTimeout', 'use connect_timeout'),
    refused('socketTimeout', 'use socket_timeout, or statementTimeoutMs'),
    refused('targetServerType', 'give hosts(url) to withFailover, and reads to withReplicas'),
    refused('loadBalanceHosts', 'withReplicas balances reads'),
    refused('tcpKeepAlive', 'leave it out: keep-alive is always on'),
    refused('prepareThreshold', "use prepare: 'auto' or 'off'"),
    refused('preparedStatementCacheQueries', "use prepare: 'auto' or 'off'"),
    refused('reWriteBatchedInserts', 'send one INSERT with several rows'),
    refused('stringtype', VALUES_ARE_CHOSEN),
    refused('binaryTransfer', VALUES_ARE_CHOSEN),
    refused('sslfactory', 'use sslmode and sslrootcert'),
    refused('sslresponsetimeout', 'use connect_timeout'),
    refused('readOnly', 'use options=-c default_transaction_read_only=on'),
    refused('prepared_statement_cache_size', "use prepare: 'auto' or 'off'"),
    refused('prepared_statements', "use prepare=false, or prepare: 'off'"),
    refused('command_timeout', 'use query_timeout, or statementTimeoutMs'),
    refused('server_settings', 'use options=-c name=value'),
    refused('pool', 'use max'),
    refused('pool_size', 'use max'),
    refused('checkout_timeout', 'use pool_timeout, or acquireTimeoutMs'),
    refused('reaping_frequency', 'leave it out: the pool looks after its connections by itself'),
    refused('variables', 'use options=-c name=value'),
    refused('conn_max_age', 'use max_lifetime, or maxLifetimeMs'),
    refused('pool_max_conns', 'use max'),
    refused('pool_min_conns', 'use the option min'),
    refused('pool_max_conn_lifetime', 'use max_lifetime in seconds, or maxLifetimeMs'),
    refused('pool_max_conn_idle_time', 'use idle_timeout in seconds, or idleTimeoutMs'),
    refused('pool_health_check_period', 'use validateAfterIdleMs'),
    refused('default_query_exec_mode', "use prepare: 'auto' or 'off'"),
    refused('statement_cache_capacity', "use prepare: 'auto' or 'off'"),
    refused('binary_parameters', VALUES_ARE_CHOSEN),
    refused('timezone', 'use options=-c timezone=…, or connection.parameters'),
    refused('TimeZone', 'use options=-c timezone=…, or connection.parameters'),
    refused('application', 'use application_name'),
    refused('timeout', 'use connect_timeout in seconds, or the option that is meant'),
    refused('min', 'use the option min'),
    refused('database', 'use dbname, or the path of the URL'),
    refused('username', 'use user, or the beginning of the URL'),
    refused('pass', 'use password', { secret: true }),
    refused('pwd', 'use password', { secret: true }),
  ],
}

/** What vendors and other drivers read in a connection URL. */
export const BEYOND_LIBPQ: readonly SettingGroup[] = [
  PRISMA,
  NODE_POSTGRES,
  POSTGRES_JS,
  VENDORS,
  OTHERS,
]
