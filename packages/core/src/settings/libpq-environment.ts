import { readNamed } from './connection-url.js'
import type { ParsedConnectionUrl } from './read-parameters.js'
import { refusalOf, SETTINGS_OF_VARIABLES } from './settings-table.js'

// Run-time parameters that libpq takes from variables of their own (its EnvironmentOptions).
const RUN_TIME: Readonly<Record<string, string>> = {
  PGDATESTYLE: 'datestyle',
  PGTZ: 'timezone',
  PGGEQO: 'geqo',
}
// Any of these says that there is a database.
const PLACES: readonly string[] = ['PGHOST', 'PGHOSTADDR', 'PGPORT', 'PGDATABASE', 'PGSERVICE']

/**
 * Reads libpq's `PG*` variables as libpq does: each is honoured, ignored because that is harmless,
 * or refused by its name, as the table of settings says. Values are taken as they are, blanks and
 * all; empty ones say nothing. Undefined if none of `PGHOST`, `PGHOSTADDR`, `PGPORT`, `PGDATABASE`
 * and `PGSERVICE` is set. Throws `TypeError` that names the variable and never shows its value.
 */
export function parseLibpqEnvironment(
  where: string,
  env: Readonly<Record<string, string | undefined>>,
): ParsedConnectionUrl | undefined {
  const read = (variable: string): string | undefined =>
    (Object.hasOwn(env, variable) ? env[variable] : undefined) || undefined
  if (!PLACES.some((variable) => read(variable) !== undefined)) return undefined
  const fail = (what: string): never => {
    throw new TypeError(`${where}: ${what}`)
  }
  const variables = new Map<string, string>()
  const parts: [string, string][] = []
  const parameters: [name: string, value: string][] = []
  for (const setting of SETTINGS_OF_VARIABLES) {
    const { name, variable } = setting
    const value = read(variable)
    if (value === undefined) continue
    const refusal = refusalOf(setting, variable, value)
    if (refusal !== undefined) fail(refusal)
    if (name !== undefined) {
      variables.set(name, variable)
      parts.push([name, value])
    } else if (Object.hasOwn(RUN_TIME, variable)) parameters.push([RUN_TIME[variable]!, value])
  }
  const said = (name: string): string => variables.get(name) ?? name
  const parsed = readNamed(parts, said, fail, false, read('PGSYSCONFDIR'))
  return {
    ...parsed,
    // What PGOPTIONS says comes last to the server, and so counts.
    parameters: { ...Object.fromEntries(parameters), ...parsed.parameters },
  }
}
