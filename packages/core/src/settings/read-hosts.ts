import { isIP } from 'node:net'
import type { ParameterReader } from './parameter-reader.js'

/** One host of a connection URL. */
export interface UrlHost {
  /** Name, address or socket directory. */
  readonly host: string | undefined
  /** Port, if the URL says it. */
  readonly port: number | undefined
  /** `hostaddr`: where to connect to, in place of looking the name up. */
  readonly hostaddr?: string | undefined
}

/**
 * The hosts that the lists of `host`, `hostaddr` and `port` name, as libpq pairs them. Empty if all
 * are missing.
 */
export function readHosts(parameters: ParameterReader): UrlHost[] {
  const hosts = parameters.get('host')?.split(',')
  const addresses = parameters.get('hostaddr')?.split(',')
  const ports = parameters.get('port')?.split(',') ?? []
  const count = (addresses ?? hosts)?.length ?? (ports.length === 0 ? 0 : 1)
  if (hosts !== undefined && hosts.length !== count) {
    parameters.fail(
      `${parameters.said('host')} names ${hosts.length} hosts, and ${parameters.said('hostaddr')} ${count} addresses`,
    )
  }
  if (ports.length > 1 && ports.length !== count) {
    parameters.fail(`it names ${ports.length} ports for ${count} hosts`)
  }
  return Array.from({ length: count }, (_, index) => {
    const host = hosts?.[index]?.trim() || undefined
    const hostaddr = addresses?.[index]?.trim() || undefined
    if (hostaddr !== undefined && isIP(hostaddr) === 0) {
      parameters.fail(`${parameters.said('hostaddr')} must be an IP address, which no name is`)
    }
    const port = readPort(ports.length > 1 ? ports[index] : ports[0], parameters)
    // An address alone is the host.
    return host === undefined && hostaddr !== undefined
      ? { host: hostaddr, port }
      : { host, port, hostaddr }
  })
}

function readPort(text: string | undefined, parameters: ParameterReader): number | undefined {
  if (text === undefined || text.trim() === '') return undefined
  const port = /^\s*\d{1,5}\s*$/.test(text) ? Number(text) : Number.NaN
  if (port >= 1 && port <= 65535) return port
  // The text is not repeated: with an unescaped "/" or ":" in the password, this may be a part of
  // it.
  const said = parameters.said('port')
  return parameters.fail(
    said === 'port'
      ? 'the port is not a number from 1 to 65535; percent-encode special characters in user, password and database'
      : `${said} must be a number from 1 to 65535, or one for each host`,
  )
}
