import { describeText, looksSecret, printable } from '../base/printable.js'

/** A run-time parameter that was asked for at start-up, as the session has it. */
interface Difference {
  readonly name: string
  readonly asked: string
  /** What the session has; undefined if its server knows no such parameter. */
  readonly found: string | undefined
  /**
   * The value is right, and was set after the start-up, so that a reset of the session would take
   * it away.
   */
  readonly lostByReset: boolean
}

/**
 * Columns of the answer for each parameter: what there is, whether it was set later, whether it is
 * what was asked for.
 */
const COLUMNS = 3
const LONGEST_SHOWN = 80
// PostgreSQL takes any unambiguous beginning, and shows these two.
const ON = /^(?:on|1|t|tr|tru|true|y|ye|yes)$/i
const OFF = /^(?:of|off|0|f|fa|fal|fals|false|n|no)$/i

/** Run-time parameters that were asked for at start-up, as pairs of name and value. */
export type AskedParameters = readonly (readonly [name: string, value: string])[]

/**
 * The parameters that have to be checked. `application_name` is none of
 * them: it decides nothing, and poolers add to it.
 */
export function askedParameters(parameters: Readonly<Record<string, string>>): AskedParameters {
  return Object.entries(parameters).filter(([name]) => name !== 'application_name')
}

/** Whether the server has reported each of these with the very value that was asked for. */
export function areReported(
  asked: AskedParameters,
  reported: ReadonlyMap<string, string>,
): boolean {
  return asked.every(([name, value]) => reported.get(name) === value)
}

/**
 * Columns of a question that tell of each parameter what the session has, and whether that is what
 * was asked for. The server compares: it shows values in a form of its own (`1min` for 60000), and
 * `set_config` answers in that form. Its third argument makes the setting local to the transaction,
 * here the statement itself, so that nothing is left of it.
 *
 * `plain` leaves `set_config` out, for parameters that it refuses: those that are fixed after the
 * start-up, and those that the session lacks. Everything is qualified, because `search_path` may be
 * one of the parameters.
 */
export function parameterColumns(asked: AskedParameters, plain: boolean): string {
  return asked
    .map(([name, value]) => {
      const found = `pg_catalog.current_setting(${literal(name)}, true)`
      const shown = ON.test(value) ? 'on' : OFF.test(value) ? 'off' : value
      const texts = shown === value ? [literal(value)] : [literal(value), literal(shown)]
      if (!plain) texts.push(`pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`)
      // WHEN after WHEN: the server must not come to set_config where the texts are the same. And
      // last of all, because it changes what the other columns tell.
      const branches = texts.map((text) => `when ${found} OPERATOR(pg_catalog.=) ${text} then 1`)
      return `, ${found}, ${wasSetLater(name)}, case ${branches.join(' ')} else 0 end`
    })
    .join('')
}

/** 1 where the value was set after the start-up and what a reset returns to is another one. */
function wasSetLater(name: string): string {
  return (
    'case when exists (select from pg_catalog.pg_settings as s where pg_catalog.lower(s.name) ' +
    `OPERATOR(pg_catalog.=) ${literal(name.toLowerCase())} and s.source OPERATOR(pg_catalog.=) 'session' ` +
    'and s.setting OPERATOR(pg_catalog.<>) s.reset_val) then 1 else 0 end'
  )
}

/** A text as SQL takes it for a constant, whatever `standard_conforming_strings` is. */
function literal(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

/**
 * The parameters of which the session has another value, from the columns of `parameterColumns` on.
 * `resets` is whether the pool may reset the session.
 */
export function differences(
  asked: AskedParameters,
  columns: readonly unknown[],
  resets: boolean,
): readonly Difference[] {
  const found: Difference[] = []
  asked.forEach(([name, value], index) => {
    const at = index * COLUMNS
    const has = columns[at]
    const lostByReset = resets && isOne(columns[at + 1])
    if (isOne(columns[at + 2]) && !lostByReset) return
    found.push({
      name,
      asked: value,
      found: has === null || has === undefined ? undefined : String(has),
      lostByReset,
    })
  })
  return found
}

// The pool's `types` may make anything of an integer.
function isOne(value: unknown): boolean {
  return String(value) === '1'
}

/**
 * What is wrong, and what to do about it. Values of parameters that the server does not know are
 * not shown: they are the application's own.
 */
export function describeDifferences(endpoint: string, all: readonly Difference[]): string {
  const parts = all.map(({ name, asked, found, lostByReset }) => {
    const what = `connection.parameters.${printable(name)}`
    // An application's own parameter, such as `app.token`, may hold a secret.
    const isOwn = name.includes('.') || found === undefined
    if (lostByReset) return `${what} was set after the log-in, so that a reset would take it away`
    const has = found === undefined ? 'none' : isOwn ? 'another value' : shown(found)
    return `${what} was asked for${isOwn ? '' : ` as ${shown(asked)}`}, and the session has ${has}`
  })
  return (
    `${endpoint} did not give the session what was asked for at start-up: ${parts.join('; ')}; a pooler in between drops ` +
    'start-up parameters (ignore_startup_parameters of PgBouncer, whose entry "options" drops all of them): connect to the server ' +
    "itself, or take them out of connection.parameters, set pooler: 'pgbouncer' if the pooler is in transaction mode, and use ALTER ROLE … SET on " +
    'the server or SET LOCAL in a transaction; tenants in schemas need a connection that keeps search_path'
  )
}

function shown(value: string): string {
  if (looksSecret(value)) return describeText(value)
  const text = JSON.stringify(value)
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text
}
