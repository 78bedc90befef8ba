/**
 * Writes run-time parameters for the `options` field of the start-up message, as the server's command line takes them: a backslash before white
 * space and backslashes. Leaves out `application_name`, which has a field of its own. Undefined when nothing is left.
 */
export function startupOptions(parameters: Readonly<Record<string, string>>): string | undefined {
  const options = Object.entries(parameters)
    .filter(([name]) => name !== 'application_name')
    .map(([name, value]) => `-c ${`${name}=${value}`.replace(/[\\\s]/g, '\\$&')}`)
  return options.length === 0 ? undefined : options.join(' ')
}
