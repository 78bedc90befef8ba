import { isIP } from 'node:net'
import type { ConnectionOptions as NodeTlsOptions } from 'node:tls'
import type { ConnectionSettings } from '../../settings/connection-settings.js'
import { verifiesChain } from '../../settings/ssl-settings.js'

/** How to encrypt a session. */
export interface TlsPlan {
  /** Whether to go on in plain text when the server has no TLS or TLS with it fails. */
  readonly optional: boolean
  /** Whether to begin with the TLS handshake, without asking first. */
  readonly direct: boolean
  /** What to give to `tls.connect`, beside the socket. */
  readonly options: NodeTlsOptions
}

// The name that PostgreSQL 17 and newer answer to (registered with IANA). Direct TLS is refused
// without it.
const PROTOCOL = 'postgresql'

/**
 * Decides how to encrypt, with the meaning of libpq's `sslmode`; undefined for plain text. Unix
 * sockets are never encrypted.
 */
export function planTls(settings: ConnectionSettings): TlsPlan | undefined {
  const { ssl, endpoint } = settings
  if (ssl.mode === 'disable' || endpoint.host.startsWith('/')) return undefined
  const name = ssl.serverName ?? endpoint.host
  const verifyChain = verifiesChain(ssl)
  const direct = ssl.negotiation === 'direct'
  return {
    optional: ssl.mode === 'prefer',
    direct,
    options: {
      // The certificate is checked against `servername`, else against `host`. An address must not
      // be sent as SNI (RFC 6066, section 3), but it must still be checked.
      host: name,
      ...(isIP(name) === 0 && ssl.sni !== false && { servername: name }),
      minVersion: ssl.minVersion ?? 'TLSv1.2',
      ...(ssl.maxVersion !== undefined && { maxVersion: ssl.maxVersion }),
      rejectUnauthorized: verifyChain,
      ...(verifyChain && ssl.mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
      ...(direct && { ALPNProtocols: [PROTOCOL] }),
      ...pem('ca', ssl.ca),
      ...pem('cert', ssl.cert),
      ...pem('key', ssl.key),
      ...pem('crl', ssl.crl),
      ...(ssl.passphrase !== undefined && { passphrase: ssl.passphrase }),
    },
  }
}

function pem(
  name: 'ca' | 'cert' | 'key' | 'crl',
  value: string | Uint8Array | undefined,
): NodeTlsOptions {
  if (value === undefined) return {}
  return { [name]: typeof value === 'string' ? value : Buffer.from(value) }
}
