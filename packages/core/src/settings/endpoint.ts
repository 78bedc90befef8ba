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
