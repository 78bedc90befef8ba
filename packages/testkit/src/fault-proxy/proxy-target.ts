/** Where a proxy connects to: an address, or the URL of a PostgreSQL server. */
export type ProxyTarget =
  | {
      /** Host name or address. */
      readonly host: string
      /** TCP port. */
      readonly port: number
    }
  | string

/**
 * The address in a target. Throws `TypeError` for a URL that is not `postgres://` or that names
 * more than one host.
 */
export function targetAddress(target: ProxyTarget): { host: string; port: number } {
  if (typeof target !== 'string') return { host: target.host, port: target.port }
  const url = parse(target)
  const host = url.searchParams.get('host') ?? url.hostname.replace(/^\[(.*)\]$/, '$1')
  const port = Number(url.searchParams.get('port') ?? (url.port || 5432))
  return { host: host === '' ? '127.0.0.1' : decodeURIComponent(host), port }
}

/** The same URL with another address; user, password, database and options stay. */
export function repointed(url: string, host: string, port: number): string {
  const result = parse(url)
  // libpq lets these override the address of the URL.
  for (const name of ['host', 'port', 'hostaddr']) result.searchParams.delete(name)
  // The host of an URL without one (`postgres:///app`) cannot be set, so the authority is written
  // anew.
  const password = result.password === '' ? '' : `:${result.password}`
  const login = result.username === '' ? '' : `${result.username}${password}@`
  return `${result.protocol}//${login}${host}:${port}${result.pathname}${result.search}`
}

function parse(url: string): URL {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    // The URL itself may hold a password and stays out of the message.
    throw new TypeError('target must be { host, port } or a postgres:// URL with one host')
  }
  return new URL(url)
}
