/** Where a server listens, and which database on it. Never carries a secret. */
export interface Endpoint {
  /** Host name, address, or the directory of a Unix socket (starts with `/`). */
  readonly host: string
  /** TCP port, 1 to 65535. */
  readonly port: number
  /** Database name. */
  readonly database: string
}

/**
 * `host:port/database`, with brackets around IPv6 addresses; the folder of a socket stands as it
 * is.
 */
export function formatEndpoint(endpoint: Endpoint): string {
  const isSocket = endpoint.host.startsWith('/')
  const host = endpoint.host.includes(':') && !isSocket ? `[${endpoint.host}]` : endpoint.host
  return `${host}:${endpoint.port}/${endpoint.database}`
}

/** True for addresses that do not leave the machine: loopback and Unix sockets. */
export function isLocal(host: string): boolean {
  return (
    host.startsWith('/') ||
    host === 'localhost' ||
    host === '::1' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
  )
}

// Where vendors put their PgBouncer in transaction mode: the end of a host name and a port.
const PORTS: readonly (readonly [domain: string, port: number, vendor: string])[] = [
  ['.supabase.com', 6543, 'Supabase'],
  ['.supabase.co', 6543, 'Supabase'],
  ['.postgres.database.azure.com', 6432, 'Azure'],
  ['.db.ondigitalocean.com', 25061, 'DigitalOcean'],
  ['.postgresbridge.com', 5431, 'Crunchy Bridge'],
]

const PRISMA = 'pooled.db.prisma.io'

/**
 * Why a host looks like a pooler in transaction mode, for the middle of a sentence; undefined if it
 * does not. A name whose first part ends in `-pooler` is one, as at Neon and as the operators of
 * Zalando name theirs; else a vendor's domain with the port of its pooler.
 */
export function pooledHost(host: string, port: number): string | undefined {
  const name = host.toLowerCase()
  if (name.startsWith('/')) return undefined
  const [first = ''] = name.split('.', 1)
  if (first.endsWith('-pooler')) return 'the first part of the host name ends in "-pooler"'
  if (name === PRISMA) return `${PRISMA} is Prisma's pooler`
  const found = PORTS.find(([domain, at]) => at === port && name.endsWith(domain))
  return found && `port ${port} is ${found[2]}'s pooler`
}
