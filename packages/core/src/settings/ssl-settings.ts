import {
  checkBoolean,
  checkShownText,
  checkWord,
  describeValue,
  refuseUnknownOptions,
} from '../base/option-check.js'
import { isLocal } from './endpoint.js'

/** How a session is encrypted and verified; the words mean what they mean to libpq. */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/**
 * How TLS begins: the client asks for it in PostgreSQL's protocol, or the handshake is the first
 * thing sent.
 */
export type SslNegotiation = 'postgres' | 'direct'

/** A version of TLS that is spoken. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/**
 * TLS options as the user gives them.
 *
 * @example
 * import { readFileSync } from 'node:fs'
 *
 * const ssl: SslOptions = {
 *   mode: 'verify-full',
 *   ca: readFileSync('ca.pem'),
 *   cert: readFileSync('client.pem'),
 *   key: readFileSync('client.key'),
 *   passphrase: process.env.KEY_PASSPHRASE,
 *   negotiation: 'direct', // PostgreSQL 17 or newer
 *   serverName: 'db.example',
 *   sni: true,
 *   crl: readFileSync('revoked.pem'),
 *   minVersion: 'TLSv1.3',
 *   maxVersion: 'TLSv1.3',
 * }
 * createPool({ driver, connection: { host: '10.0.0.7', user: 'app', ssl } })
 */
export interface SslOptions {
  /**
   * How the server is verified. Default: `verify-full`; no TLS on loopback and Unix sockets.
   * Unverified TLS is never chosen for you. `prefer` goes on in plain text when the server has no
   * TLS, when the handshake fails, and when the server refuses every log-in over TLS (28000), the
   * latter two on a new connection.
   */
  mode?: SslMode | undefined
  /** Certificate authority in PEM form. Default: the authorities Node.js trusts. */
  ca?: string | Uint8Array | undefined
  /** Client certificate in PEM form. Default: none. */
  cert?: string | Uint8Array | undefined
  /** Key of the client certificate in PEM form. Default: none. */
  key?: string | Uint8Array | undefined
  /** Passphrase of `key`, if it is encrypted. Default: none. */
  passphrase?: string | undefined
  /**
   * How TLS begins. Default `postgres`. `direct` saves a round trip and passes proxies that route
   * by SNI; it needs PostgreSQL 17 or newer, and a mode of `require` or stronger.
   */
  negotiation?: SslNegotiation | undefined
  /** Name the server's certificate must carry, and the SNI. Default: the host. */
  serverName?: string | undefined
  /**
   * Certificate revocation list in PEM form: a server whose certificate is in it is refused. Needs
   * a mode that verifies. Default: none.
   */
  crl?: string | Uint8Array | undefined
  /**
   * Whether the name of the server is sent in the clear at the beginning (SNI), by which proxies
   * find it. Default true.
   */
  sni?: boolean | undefined
  /** Oldest version of TLS. Default `TLSv1.2`. */
  minVersion?: TlsVersion | undefined
  /** Newest version of TLS. Default: the newest that Node.js has. */
  maxVersion?: TlsVersion | undefined
}

/** TLS settings with the mode decided. */
export interface SslSettings extends SslOptions {
  /** The mode in force. */
  readonly mode: SslMode
}

/**
 * Whether TLS checks who signed the server's certificate. As for libpq, `require` with a `ca`
 * does: a certificate authority that was named is meant to be used.
 */
export function verifiesChain({ mode, ca }: SslSettings): boolean {
  return mode === 'verify-full' || mode === 'verify-ca' || (mode === 'require' && hasOwnCa(ca))
}

/**
 * Whether TLS alone proves that the server is the right one: `verify-full`, or a certificate signed
 * by the certificate authority that the user named. With `verify-ca` and the public authorities,
 * the owner of a certificate for any name passes; libpq refuses that combination too.
 */
export function verifiesServer(ssl: SslSettings): boolean {
  return verifiesChain(ssl) && (ssl.mode === 'verify-full' || hasOwnCa(ssl.ca))
}

function hasOwnCa(ca: SslOptions['ca']): boolean {
  return ca !== undefined && ca.length > 0
}

const KNOWN_SSL_OPTIONS: ReadonlySet<string> = new Set([
  'mode',
  'ca',
  'cert',
  'key',
  'passphrase',
  'negotiation',
  'serverName',
  'crl',
  'sni',
  'minVersion',
  'maxVersion',
])
const TLS_VERSIONS: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3']
const SSL_MODES: readonly SslMode[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']
const SSL_NEGOTIATIONS: readonly SslNegotiation[] = ['postgres', 'direct']

/**
 * Reads the `ssl` option of a connection to `host`. Throws `TypeError` that names what is wrong and
 * never shows a secret.
 */
export function readSsl(where: string, ssl: unknown, host: string): SslSettings {
  if (ssl === false) return { mode: 'disable' }
  if (ssl === undefined) return { mode: isLocal(host) ? 'disable' : 'verify-full' }
  if (ssl === null || typeof ssl !== 'object') {
    throw new TypeError(
      `${where}: connection.ssl must be false or an object such as { mode: 'verify-full', ca }, got ${describeValue(ssl)}`,
    )
  }
  refuseUnknownOptions(`${where}: connection.ssl`, ssl, KNOWN_SSL_OPTIONS)
  const options = ssl as SslOptions
  const { mode: asked = 'verify-full' } = options
  const mode = checkWord(where, 'connection.ssl.mode', asked, SSL_MODES)
  const negotiation = checkWord(
    where,
    'connection.ssl.negotiation',
    options.negotiation ?? 'postgres',
    SSL_NEGOTIATIONS,
  )
  if (negotiation === 'direct' && (mode === 'disable' || mode === 'prefer')) {
    throw new TypeError(
      `${where}: connection.ssl.negotiation "direct" cannot fall back to plain text as mode "${mode}" may; use require, verify-ca or verify-full`,
    )
  }
  for (const name of ['minVersion', 'maxVersion'] as const) {
    if (options[name] !== undefined)
      checkWord(where, `connection.ssl.${name}`, options[name], TLS_VERSIONS)
  }
  if (options.minVersion === 'TLSv1.3' && options.maxVersion === 'TLSv1.2') {
    throw new TypeError(
      `${where}: connection.ssl.minVersion is above maxVersion, so that no version is left`,
    )
  }
  if (options.sni !== undefined) checkBoolean(where, 'connection.ssl.sni', options.sni)
  if (options.serverName !== undefined) {
    checkShownText(where, 'connection.ssl.serverName', options.serverName)
  }
  if (options.passphrase !== undefined && typeof options.passphrase !== 'string') {
    // Not shown: it is a secret.
    throw new TypeError(
      `${where}: connection.ssl.passphrase must be a string, got a value of type ${typeof options.passphrase}`,
    )
  }
  return Object.freeze({ ...options, mode, negotiation })
}
