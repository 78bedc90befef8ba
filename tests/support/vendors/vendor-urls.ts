/** A URL as a vendor hands it out. */
export interface VendorUrl {
  /** Whose it is, and which of theirs. */
  readonly vendor: string
  /** The form on its pages, with made-up names. */
  readonly url: string
  /** Whether the pool treats what it leads to as a pooler in transaction mode. */
  readonly pooled: boolean
  /** What else is to be said about it. */
  readonly note: string
}

const SELF_SIGNED =
  "Without `sslmode` TLS is verified, and the certificate is signed by an authority that is the vendor's own: add `sslmode=verify-full&sslrootcert=FILE` with its CA, or `sslmode=require` to go without verification"
const REQUIRE = 'TLS without verification, as `require` says; `verify-full` verifies'
const PUBLIC_CA = `${REQUIRE}, and works as it is: the certificate is signed by a public authority`
const NEON =
  '`channel_binding=require` proves that the other end of the encryption knows the password; no certificate is verified, as `require` says. `verify-full` does, and works as it is: the certificate is signed by a public authority'
const OWN_CA = `${REQUIRE}: add \`&sslrootcert=FILE\` with the vendor's CA`

const RAILWAY =
  'Without `sslmode` TLS is verified, and each database signs its certificate itself: add `sslmode=require` to go without verification'

/** The documented forms of connection URLs. */
export const VENDOR_URLS: readonly VendorUrl[] = [
  {
    vendor: 'Neon',
    url: 'postgresql://alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require&channel_binding=require',
    pooled: false,
    note: NEON,
  },
  {
    vendor: 'Neon, pooled',
    url: 'postgresql://alex:AbC123dEf@ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech/dbname?sslmode=require&channel_binding=require',
    pooled: true,
    note: NEON,
  },
  {
    vendor: 'Neon, for clients without SNI',
    url: 'postgresql://alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require&options=endpoint%3Dep-cool-darkness-123456',
    pooled: false,
    note: 'SNI is sent, so that `options` is not needed; it is passed on as it is (`connection.routing`)',
  },
  {
    vendor: 'Supabase, direct',
    url: 'postgresql://postgres:AbC123dEf@db.abcdefghijklmnopqrst.supabase.co:5432/postgres',
    pooled: false,
    note: SELF_SIGNED,
  },
  {
    vendor: 'Supabase, session pooler',
    url: 'postgres://postgres.abcdefghijklmnopqrst:AbC123dEf@aws-0-us-east-1.pooler.supabase.com:5432/postgres',
    pooled: false,
    note: `${SELF_SIGNED}. Say \`pooler: 'none'\`: each connection has a server session of its own`,
  },
  {
    vendor: 'Supabase, transaction pooler',
    url: 'postgres://postgres.abcdefghijklmnopqrst:AbC123dEf@aws-0-us-east-1.pooler.supabase.com:6543/postgres',
    pooled: true,
    note: SELF_SIGNED,
  },
  {
    vendor: 'Supabase, dedicated pooler',
    url: 'postgresql://postgres:AbC123dEf@db.abcdefghijklmnopqrst.supabase.co:6543/postgres',
    pooled: true,
    note: SELF_SIGNED,
  },
  {
    vendor: 'Supabase, for Prisma',
    url: 'postgresql://postgres.abcdefghijklmnopqrst:AbC123dEf@aws-0-us-east-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1',
    pooled: true,
    note: '`max` is 1, as the URL says',
  },
  {
    vendor: 'Supabase, by reference',
    url: 'postgres://postgres:AbC123dEf@aws-0-us-east-1.pooler.supabase.com:6543/postgres?options=reference%3Dabcdefghijklmnopqrst',
    pooled: true,
    note: SELF_SIGNED,
  },
  {
    vendor: 'Vercel, Supabase',
    url: 'postgres://postgres.abcdefghijklmnopqrst:AbC123dEf@aws-0-us-east-1.pooler.supabase.com:6543/postgres?sslmode=require&supa=base-pooler.x',
    pooled: true,
    note: OWN_CA,
  },
  {
    vendor: 'Heroku',
    url: 'postgres://u1a2b3c4d5:p0f1e2d3c4@ec2-54-1-2-3.compute-1.amazonaws.com:5432/d6e7f8g9h0',
    pooled: false,
    note: 'Without `sslmode` TLS is verified, and the certificate is self-signed: add `sslmode=require` to go without verification, unless Enhanced Certificates are turned on',
  },
  {
    vendor: 'Render, external',
    url: 'postgresql://shop_user:AbC123dEf@dpg-c1abcdefghij-a.oregon-postgres.render.com/shop',
    pooled: false,
    note: 'TLS is verified, against public authorities',
  },
  {
    vendor: 'Render, internal',
    url: 'postgresql://shop_user:AbC123dEf@dpg-c1abcdefghij-a/shop',
    pooled: false,
    note: 'the name is in no certificate: add `sslmode=require`',
  },
  {
    vendor: 'Railway',
    url: 'postgresql://postgres:AbC123dEf@monorail.proxy.rlwy.net:12345/railway',
    pooled: false,
    note: RAILWAY,
  },
  {
    vendor: 'Railway, internal',
    url: 'postgresql://postgres:AbC123dEf@postgres.railway.internal:5432/railway',
    pooled: false,
    note: RAILWAY,
  },
  {
    vendor: 'Amazon RDS and Aurora',
    url: 'postgresql://admin_user:AbC123dEf@shop.abcdefghijkl.us-east-1.rds.amazonaws.com:5432/shop?sslmode=verify-full&sslrootcert=CA_FILE',
    pooled: false,
    note: "with the file `global-bundle.pem` of Amazon; RDS Proxy needs none, but `pooler: 'pgbouncer'`",
  },
  {
    vendor: 'Azure',
    url: 'postgres://shopadmin:AbC123dEf@shop.postgres.database.azure.com:5432/postgres?sslmode=require',
    pooled: false,
    note: PUBLIC_CA,
  },
  {
    vendor: 'Azure, `user@server`',
    url: 'postgres://shopadmin@shop:AbC123dEf@shop.postgres.database.azure.com:5432/postgres?sslmode=require',
    pooled: false,
    note: 'the last "@" begins the host; `%40` in the user is the same',
  },
  {
    vendor: 'Azure, PgBouncer',
    url: 'postgres://shopadmin:AbC123dEf@shop.postgres.database.azure.com:6432/postgres?sslmode=require',
    pooled: true,
    note: PUBLIC_CA,
  },
  {
    vendor: 'DigitalOcean',
    url: 'postgresql://doadmin:AbC123dEf@db-postgresql-nyc3-12345-do-user-1-0.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require',
    pooled: false,
    note: OWN_CA,
  },
  {
    vendor: 'DigitalOcean, connection pool',
    url: 'postgresql://doadmin:AbC123dEf@db-postgresql-nyc3-12345-do-user-1-0.b.db.ondigitalocean.com:25061/pool?sslmode=require',
    pooled: true,
    note: "a pool in session mode may say `pooler: 'none'`",
  },
  {
    vendor: 'Aiven',
    url: 'postgres://avnadmin:AVNS_AbC123dEf@pg-1a2b3c-shop.a.aivencloud.com:12691/defaultdb?sslmode=require',
    pooled: false,
    note: `${OWN_CA}. Its pools have no mark: say \`pooler: 'pgbouncer'\``,
  },
  {
    vendor: 'Crunchy Bridge',
    url: 'postgres://application:AbC123dEf@p.abcdefghijklmnopqrst.db.postgresbridge.com:5432/postgres?sslmode=require',
    pooled: false,
    note: OWN_CA,
  },
  {
    vendor: 'Crunchy Bridge, PgBouncer',
    url: 'postgres://application:AbC123dEf@p.abcdefghijklmnopqrst.db.postgresbridge.com:5431/postgres?sslmode=require',
    pooled: true,
    note: OWN_CA,
  },
  {
    vendor: 'Google Cloud SQL, socket',
    url: 'postgresql://shop:AbC123dEf@localhost/shop?host=/cloudsql/project:us-central1:shop',
    pooled: false,
    note: 'the proxy encrypts; the socket is not encrypted again',
  },
  {
    vendor: 'Prisma Postgres',
    url: 'postgres://0123456789abcdef:sk_AbC123dEf@db.prisma.io:5432/?sslmode=require',
    pooled: false,
    note: "without a database, the user's name is that of the database, as for libpq; write `/postgres`",
  },
  {
    vendor: 'Prisma Postgres, pooled',
    url: 'postgres://0123456789abcdef:sk_AbC123dEf@pooled.db.prisma.io:5432/postgres?sslmode=require',
    pooled: true,
    note: PUBLIC_CA,
  },
  {
    vendor: "Prisma's own parameters",
    url: 'postgresql://janedoe:AbC123dEf@db.example.com:5432/mydb?schema=shop&connection_limit=5&connect_timeout=10&pool_timeout=20&socket_timeout=3&sslmode=require',
    pooled: false,
    note: '`schema` is `search_path`, the rest are options of the pool',
  },
]
