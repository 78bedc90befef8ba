import type { AuthMethod } from '../api/driver.js'
import { verifiesServer } from '../net/socket/tls-plan.js'
import type { ConnectionSettings } from './connection-settings.js'

/** Every way to log in that is spoken here, weakest first. */
export const AUTH_METHODS: readonly AuthMethod[] = ['none', 'password', 'md5', 'scram-sha-256']

/**
 * The ways to log in that a connect accepts; undefined accepts all. What was asked for counts:
 * `option`, the pool's `requireAuth`, before `require_auth` of the URL. Else SCRAM alone when there
 * is a password and TLS does not verify the server: by SCRAM the server proves that it knows the
 * password, and by the others it could be anybody and have it.
 */
export function acceptedAuth(
  settings: ConnectionSettings,
  password: string | undefined,
  option: readonly AuthMethod[] | undefined,
): readonly AuthMethod[] | undefined {
  const asked = option ?? settings.requireAuth
  if (asked !== undefined) return asked
  return password === undefined || verifiesServer(settings) ? undefined : ['scram-sha-256']
}
