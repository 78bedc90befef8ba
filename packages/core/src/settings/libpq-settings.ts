import { honoured, ignored, refused, type Setting, type SettingGroup } from './setting.js'

/** Beside `name`, libpq reads this variable of the environment. */
const from = (variable: string): Partial<Setting> => ({ variable })

const KEEP_ALIVE =
  'keep-alive is always on, after 10 s of silence; the pool proves idle connections by itself'
const ONLY_GSS =
  'only GSSAPI reads it, and a server that asks for GSSAPI is refused with an error that says so'
const NO_OAUTH = 'log-in by OAuth is not supported: give the token as password, as a function'

/** Every connection option of libpq 18 (PQconninfoOptions), in the order of its manual. */
export const LIBPQ: SettingGroup = {
  title: 'libpq',
  settings: [
    honoured('host', 'connection.host; several hosts are for hosts(url) and the manager', {
      variable: 'PGHOST',
    }),
    honoured(
      'hostaddr',
      'connection.hostaddr: where to connect, while TLS verifies host',
      from('PGHOSTADDR'),
    ),
    honoured('port', 'connection.port', from('PGPORT')),
    honoured('dbname', 'connection.database', from('PGDATABASE')),
    honoured('user', 'connection.user', from('PGUSER')),
    honoured('password', 'connection.password', { variable: 'PGPASSWORD', secret: true }),
    honoured(
      'passfile',
      'connection.password, read once from the file in the form of .pgpass; the file must not be readable for others. The default file, ~/.pgpass, is not read',
      from('PGPASSFILE'),
    ),
    honoured('require_auth', 'requireAuth', from('PGREQUIREAUTH')),
    honoured('channel_binding', 'connection.channelBinding', from('PGCHANNELBINDING')),
    honoured(
      'connect_timeout',
      'connectTimeoutMs, from seconds; 0 and less is the longest that there is, 24.8 days',
      from('PGCONNECT_TIMEOUT'),
    ),
    ignored('client_encoding', 'both drivers speak UTF-8, whatever the encoding of the database', {
      variable: 'PGCLIENTENCODING',
      values: ['UTF8', 'UTF-8', 'utf8', 'utf-8', 'UNICODE', 'unicode', 'auto'],
      otherwise: 'leave it out: both drivers speak UTF-8 alone, and the server converts',
    }),
    honoured(
      'options',
      "connection.parameters for -c name=value and --name=value, and connection.routing for what a vendor's proxy reads: endpoint=, project=, reference=",
      from('PGOPTIONS'),
    ),
    honoured('application_name', 'connection.applicationName', from('PGAPPNAME')),
    honoured(
      'fallback_application_name',
      'connection.applicationName, if there is no application_name',
    ),
    ignored('keepalives', KEEP_ALIVE),
    ignored('keepalives_idle', KEEP_ALIVE),
    ignored('keepalives_interval', KEEP_ALIVE),
    ignored('keepalives_count', KEEP_ALIVE),
    ignored(
      'tcp_user_timeout',
      'Node.js cannot set it; statementTimeoutMs and the proof of idle connections end what is silent',
    ),
    ignored('replication', 'it asks for an ordinary session', {
      values: ['false', 'off', 'no', '0'],
      otherwise: 'sessions of replication cannot be pooled: use a client of their own',
    }),
    ignored('gssencmode', 'encryption by GSSAPI is never used', {
      variable: 'PGGSSENCMODE',
      values: ['disable', 'prefer'],
      otherwise: 'encryption by GSSAPI is not supported: use sslmode=verify-full',
    }),
    honoured('sslmode', 'connection.ssl.mode', {
      variable: 'PGSSLMODE',
      values: ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'],
      otherwise:
        'allow begins in plain text: use prefer, or better verify-full; no-verify is called require here',
    }),
    honoured('requiressl', 'connection.ssl.mode: 1 is require, 0 is prefer', {
      variable: 'PGREQUIRESSL',
      values: ['0', '1'],
      otherwise: 'use sslmode',
    }),
    honoured('sslnegotiation', 'connection.ssl.negotiation', {
      variable: 'PGSSLNEGOTIATION',
      values: ['postgres', 'direct'],
    }),
    ignored('sslcompression', 'TLS is never compressed, as with every newer OpenSSL', {
      variable: 'PGSSLCOMPRESSION',
    }),
    honoured('sslcert', 'connection.ssl.cert, read from the file', from('PGSSLCERT')),
    honoured('sslkey', 'connection.ssl.key, read from the file', {
      variable: 'PGSSLKEY',
      secret: true,
    }),
    refused(
      'sslkeylogfile',
      'it writes the keys of sessions to a file: start Node.js with --tls-keylog=FILE',
    ),
    honoured('sslpassword', 'connection.ssl.passphrase', { secret: true }),
    honoured(
      'sslcertmode',
      'whether sslcert and sslkey are used: allow uses them, disable does not',
      {
        variable: 'PGSSLCERTMODE',
        values: ['disable', 'allow'],
        otherwise: 'have the server ask for certificates, by clientcert in pg_hba.conf',
      },
    ),
    honoured(
      'sslrootcert',
      'connection.ssl.ca, read from the file; system is the authorities that Node.js trusts',
      from('PGSSLROOTCERT'),
    ),
    honoured('sslcrl', 'connection.ssl.crl, read from the file', from('PGSSLCRL')),
    refused('sslcrldir', 'use sslcrl with one file that holds the lists', from('PGSSLCRLDIR')),
    honoured('sslsni', 'connection.ssl.sni', { variable: 'PGSSLSNI', values: ['0', '1'] }),
    refused(
      'requirepeer',
      'Node.js cannot see the user at the other end of a Unix socket: use the rights of its directory, or sslmode=verify-full over TCP',
      from('PGREQUIREPEER'),
    ),
    honoured('ssl_min_protocol_version', 'connection.ssl.minVersion; TLSv1.2 at least', {
      variable: 'PGSSLMINPROTOCOLVERSION',
      values: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
    }),
    honoured('ssl_max_protocol_version', 'connection.ssl.maxVersion', {
      variable: 'PGSSLMAXPROTOCOLVERSION',
      values: ['TLSv1.2', 'TLSv1.3'],
      otherwise: 'older versions are broken and never spoken',
    }),
    ignored('min_protocol_version', 'the drivers speak version 3.0 of the protocol', {
      variable: 'PGMINPROTOCOLVERSION',
      values: ['3.0'],
      otherwise: 'leave it out: the drivers speak version 3.0 of the protocol',
    }),
    ignored('max_protocol_version', 'the drivers speak version 3.0, which every server takes', {
      variable: 'PGMAXPROTOCOLVERSION',
      values: ['3.0', '3.2', 'latest'],
      otherwise: 'leave it out: the drivers speak version 3.0 of the protocol',
    }),
    ignored('krbsrvname', ONLY_GSS, from('PGKRBSRVNAME')),
    ignored('gsslib', ONLY_GSS, from('PGGSSLIB')),
    ignored('gssdelegation', ONLY_GSS, from('PGGSSDELEGATION')),
    refused('scram_client_key', 'use connection.password', { secret: true }),
    refused('scram_server_key', 'use connection.password', { secret: true }),
    honoured(
      'service',
      'the section of that name in the service file, for what is not said otherwise',
      from('PGSERVICE'),
    ),
    honoured(
      'servicefile',
      'the service file. Default: ~/.pg_service.conf, and for the environment also pg_service.conf in PGSYSCONFDIR',
      from('PGSERVICEFILE'),
    ),
    honoured(
      'target_session_attrs',
      "which servers a cluster's URL means: hosts(url) and the nodes of a manager take any, read-write and primary; createPool takes any and prefer-standby, which mean nothing for one host",
      from('PGTARGETSESSIONATTRS'),
    ),
    ignored(
      'load_balance_hosts',
      'the primary is followed in whatever order hosts stand, and withReplicas balances reads',
      { variable: 'PGLOADBALANCEHOSTS', values: ['disable', 'random'] },
    ),
    refused('oauth_issuer', NO_OAUTH),
    refused('oauth_client_id', NO_OAUTH),
    refused('oauth_client_secret', NO_OAUTH, { secret: true }),
    refused('oauth_scope', NO_OAUTH),
    refused('oauth_ca_file', NO_OAUTH),
    ignored('authtype', 'libpq ignores it as well'),
    ignored('tty', 'libpq ignores it as well', from('PGTTY')),
  ],
}

const ONLY_ENVIRONMENT = (
  variable: string,
  treatment: Setting['treatment'],
  how: string,
): Setting => ({ variable, treatment, how })

/** Variables of libpq's environment that have no parameter of a URL. */
export const LIBPQ_ENVIRONMENT: SettingGroup = {
  title: 'libpq, environment alone',
  settings: [
    ONLY_ENVIRONMENT('PGDATESTYLE', 'honoured', 'connection.parameters.datestyle'),
    ONLY_ENVIRONMENT('PGTZ', 'honoured', 'connection.parameters.timezone'),
    ONLY_ENVIRONMENT('PGGEQO', 'honoured', 'connection.parameters.geqo'),
    ONLY_ENVIRONMENT('PGSYSCONFDIR', 'honoured', 'where pg_service.conf is, for PGSERVICE'),
    ONLY_ENVIRONMENT('PGLOCALEDIR', 'ignored', "it is about the language of libpq's own messages"),
    ONLY_ENVIRONMENT('PGREALM', 'ignored', 'libpq ignores it as well'),
    ONLY_ENVIRONMENT('PGOAUTHDEBUG', 'refused', NO_OAUTH),
    ONLY_ENVIRONMENT('PGOAUTHCAFILE', 'refused', NO_OAUTH),
  ],
}
