import type { ConnectionSettings } from '../../settings/connection-settings.js'
import { startupOptions } from './startup-options.js'

// Protocol 3.0.
const VERSION = 0x0003_0000

/** StartupMessage: as whom, to which database, and with which parameters. */
export function startupMessage(settings: ConnectionSettings): Buffer {
  const { endpoint, user, parameters } = settings
  const said: Record<string, string | undefined> = {
    user,
    database: endpoint.database,
    client_encoding: 'UTF8',
    application_name: parameters['application_name'] ?? settings.applicationName,
    options: startupOptions(settings),
  }
  const texts: string[] = []
  for (const [name, value] of Object.entries(said)) {
    if (value !== undefined && value !== '') texts.push(name, value)
  }
  const body = Buffer.from(`${texts.join('\0')}\0\0`)
  const message = Buffer.allocUnsafe(8 + body.length)
  message.writeUInt32BE(message.length, 0)
  message.writeUInt32BE(VERSION, 4)
  body.copy(message, 8)
  return message
}
