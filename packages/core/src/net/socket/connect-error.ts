import { messageOf } from '../../base/message-of.js'
import { isCondition } from '../../outcome/conditions.js'
import { AuthenticationError, ConnectError } from '../../outcome/errors.js'
import { meaningOf, refusesUser } from '../../outcome/sqlstate.js'
import type { ConnectionSettings } from '../../settings/connection-settings.js'
import { formatEndpoint } from '../../settings/endpoint.js'
import { AuthenticationFailure, HungUpError } from '../frames/login-error.js'
import { isServerError, type ServerError, sqlStateOf } from '../frames/server-error.js'
import { TlsMaterialError, TlsRefusedError } from './encrypt.js'

// What to look at, by the code of the socket's or the TLS library's error.
const WAYS_OUT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused; is the server running and listening there?',
  ENOTFOUND: 'the host name is unknown; check connection.host',
  EAI_AGAIN: 'the look-up of the host name failed for now; check the name server',
  ENOENT: 'there is no such Unix socket; is the server running, and is this its directory?',
  EACCES: 'permission denied',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer; a firewall may drop what is sent there',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
}

const AS_CA = 'as ssl.ca (sslrootcert=FILE in a URL)'
const NOT_TRUSTED = `the certificate comes from an authority that is not trusted; give its certificate ${AS_CA}`
// What is wrong with the server's certificate. It will be as wrong the next time.
const CERTIFICATES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: `the certificate is self-signed; give the certificate that signed it ${AS_CA}`,
  SELF_SIGNED_CERT_IN_CHAIN: NOT_TRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NOT_TRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NOT_TRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: NOT_TRUSTED,
  CERT_SIGNATURE_FAILURE: `the certificate was signed by another authority of the same name; give the right one ${AS_CA}`,
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet; is the clock right here?',
}
const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  ...Object.keys(CERTIFICATES),
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/**
 * Brings whatever ended a connect into a message that names the server and the way out. The
 * password is in none of it.
 */
export function toConnectError(error: unknown, settings: ConnectionSettings): ConnectError {
  const endpoint = formatEndpoint(settings.endpoint)
  const where = `cannot connect to ${endpoint}`
  if (error instanceof ConnectError) return error
  if (isServerError(error)) return toRefusal(error, settings, endpoint)
  if (error instanceof AuthenticationFailure) {
    return new AuthenticationError(`${where} as user "${settings.user}": ${error.message}`, {
      endpoint,
      fatal: true,
      cause: error,
    })
  }
  if (error instanceof TlsRefusedError) {
    const way =
      settings.ssl.negotiation === 'direct'
        ? "ssl.negotiation: 'direct' needs PostgreSQL 17 or newer with TLS; leave it out for other servers"
        : `connection.ssl demands it (mode ${settings.ssl.mode}); turn TLS on there, or set ssl: false (sslmode=disable in a URL) if the network in between is trusted`
    return new ConnectError(`${where}: ${error.message} and ${way}`, {
      endpoint,
      fatal: error.certain,
      cause: error,
    })
  }
  const message = messageOf(error)
  return new ConnectError(`${where}: ${explain(error, message, settings)}`, {
    endpoint,
    fatal: error instanceof TlsMaterialError || CERTIFICATE_CODES.has(codeOf(error) ?? ''),
    cause: error,
  })
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

function explain(error: unknown, message: string, settings: ConnectionSettings): string {
  const code = codeOf(error)
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const name = settings.ssl.serverName ?? settings.endpoint.host
    return `the certificate is not for "${name}"; connect by a name it carries, or set ssl.serverName to one`
  }
  if (error instanceof HungUpError) {
    return 'the server closed the connection during the log-in; its log may say why'
  }
  if (code?.startsWith('ERR_SSL')) {
    return `the TLS handshake failed: ${message}`
  }
  const way = WAYS_OUT[code ?? ''] ?? CERTIFICATES[code ?? '']
  return way === undefined ? message : `${way} (${code})`
}

function toRefusal(
  error: ServerError,
  settings: ConnectionSettings,
  endpoint: string,
): ConnectError {
  const { message, severity = '', where, routine } = error
  const code = sqlStateOf(error)
  const sqlState = error.code === code ? code : undefined
  const said = sqlState === undefined ? message : `${message} (${sqlState})`
  const { repeat } = meaningOf({ code, message, severity, where, routine }, 'log-in')
  const details = { endpoint, sqlState, fatal: repeat === 'never', cause: error }
  if (refusesUser(code)) {
    const plain = settings.ssl.mode === 'disable' || settings.ssl.mode === 'prefer'
    const hint = /no encryption|SSL off/.test(message)
      ? plain
        ? '; the server may demand TLS: set connection.ssl'
        : ''
      : isCondition(code, 'invalid_password')
        ? '; check connection.user and connection.password'
        : ''
    return new AuthenticationError(
      `cannot log in to ${endpoint} as user "${settings.user}": ${said}${hint}`,
      details,
    )
  }
  return new ConnectError(
    `${endpoint} refused the connection of user "${settings.user}": ${said}`,
    details,
  )
}
