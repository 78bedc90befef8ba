import type { AuthMethod } from '../src/settings/auth-method.js'
import { ConnectionSettings } from '../src/settings/connection-settings.js'
import type { SslSettings } from '../src/settings/ssl-settings.js'

interface More {
  readonly port?: number
  readonly password?: string | undefined
  readonly requireAuth?: readonly AuthMethod[] | undefined
}

/** Settings of a connection by which `app` logs in to its database `app` on a host. */
export function settingsFor(host: string, ssl: SslSettings, more: More = {}): ConnectionSettings {
  return new ConnectionSettings({
    endpoint: { host, port: more.port ?? 5432, database: 'app' },
    user: 'app',
    password: more.password,
    applicationName: 'test',
    ssl,
    parameters: {},
    requireAuth: more.requireAuth,
  })
}
