import type { Endpoint } from './endpoint.js'
import { type SslSettings, verifiesServer } from './ssl-settings.js'

/**
 * How a server may ask a client to prove who it is; libpq's `require_auth` words, as far as drivers
 * speak them.
 */
export type AuthMethod = 'none' | 'password' | 'md5' | 'scram-sha-256'

/** Every way to log in that is spoken here, weakest first. */
export const AUTH_METHODS: readonly AuthMethod[] = ['none', 'password', 'md5', 'scram-sha-256']

/** The settings that decide which ways to log in are accepted. */
interface AuthSettings {
  readonly endpoint: Endpoint
  readonly ssl: SslSettings
  readonly requireAuth: readonly AuthMethod[] | undefined
}

/**
 * The ways to log in that a connect accepts; undefined accepts all. What was asked for counts:
 * `option`, the pool's `requireAuth`, before `require_auth` of the URL. Else SCRAM alone when there
 * is a password and TLS does not verify the server: with SCRAM the server proves that it knows the
 * password, and with the other methods an impostor would be given it.
 */
export function acceptedAuth(
  { endpoint, ssl, requireAuth }: AuthSettings,
  password: string | undefined,
  option: readonly AuthMethod[] | undefined,
): readonly AuthMethod[] | undefined {
  const asked = option ?? requireAuth
  if (asked !== undefined) return asked
  // A Unix socket is never encrypted.
  const verified = !endpoint.host.startsWith('/') && verifiesServer(ssl)
  return password === undefined || verified ? undefined : ['scram-sha-256']
}
