import type { ConnectionSettings } from '../../settings/connection-settings.js'

/**
 * Writes the `options` field of the start-up message: the words for a vendor's proxy as they stand,
 * then the run-time parameters as the server's command line takes them, with a backslash before
 * white space and backslashes. Leaves out `application_name`, which has a field of its own.
 * Undefined when nothing is left.
 */
export function startupOptions({
  parameters,
  routing,
}: Pick<ConnectionSettings, 'parameters' | 'routing'>): string | undefined {
  const options = Object.entries(parameters)
    .filter(([name]) => name !== 'application_name')
    .map(([name, value]) => `-c ${`${name}=${value}`.replace(/[\\\s]/g, '\\$&')}`)
  if (routing !== undefined) options.unshift(routing)
  return options.length === 0 ? undefined : options.join(' ')
}
