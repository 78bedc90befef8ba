import type { Pool } from '@poolhouse/core'
import { type ConnectionSettings, settingsOf } from '@poolhouse/core/kit'
import type { ClientConfig, PoolOptions } from 'pg'

type Shown = Partial<PoolOptions> & ClientConfig
type SslSettings = ConnectionSettings['ssl']

/**
 * The `options` that a facade shows: a plain object in the words of `pg`, which always describes
 * the present primary, so that a library can open a connection of its own to it. The password is
 * not enumerable.
 */
export function shownOptions(pool: Pool): Shown {
  const shown = {}
  const show = (name: keyof Shown, get: () => unknown, enumerable = true): void => {
    Object.defineProperty(shown, name, {
      configurable: true,
      enumerable,
      get,
      // As in `pg`, an application may put something of its own there.
      set: (value: unknown) => {
        Object.defineProperty(shown, name, { value, writable: true, enumerable })
      },
    })
  }
  const settings = (): ConnectionSettings | undefined => settingsOf(pool)
  show('host', () => settings()?.endpoint.host)
  show('port', () => settings()?.endpoint.port)
  show('database', () => settings()?.endpoint.database)
  show('user', () => settings()?.user)
  show('password', () => settings()?.password, false)
  show('ssl', () => sslOf(settings()?.ssl))
  show('application_name', () => settings()?.applicationName)
  show('max', () => pool.stats().max)
  return Object.assign(shown, {
    min: 0,
    maxUses: Number.POSITIVE_INFINITY,
    maxLifetimeSeconds: 0,
    // An idle pool never keeps the process alive.
    allowExitOnIdle: true,
  })
}

/** TLS in the words of `tls.connect()`, which `pg` takes. */
function sslOf(settings: SslSettings | undefined): ClientConfig['ssl'] {
  if (settings === undefined || settings.mode === 'disable' || settings.mode === 'prefer') {
    return false
  }
  const { mode, ca, cert, key, passphrase, crl, serverName, minVersion, maxVersion } = settings
  const verifies = mode !== 'require' || (ca !== undefined && ca.length > 0)
  const given = { ca, cert, key, passphrase, crl, servername: serverName, minVersion, maxVersion }
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    rejectUnauthorized: verifies,
    // As the mode says: only `verify-full` compares the name.
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  }
}
