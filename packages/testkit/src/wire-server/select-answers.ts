import type { StatementPart } from '../protocol/split-statements.js'
import type { AnswerContext } from './answer-context.js'
import type { Reaction, WireColumn, WireParameter, WireValue } from './script.js'
import type { WireState } from './server-state.js'

/** One item of a trivial select list: how its value follows from the parameters. */
interface Item {
  readonly name: string
  readonly type: string
  readonly value: (parameters: readonly WireParameter[]) => WireValue
}

/**
 * Answers a SELECT: a role probe from the state, a trivial list by its own text, anything else with
 * no rows.
 */
export function selectAnswer(
  part: StatementPart,
  context: AnswerContext,
  setting: (name: string) => string | undefined,
): Reaction {
  const given = startUpAnswer(part, context, setting)
  if (given !== undefined) return given
  if (/\bpg_is_in_recovery\b/i.test(part.code)) return probe(part, context.state)
  const sleep = /^\s*select\s+(?:pg_catalog\.)?pg_sleep\s*\(\s*([\d.]+)\s*\)/i.exec(part.code)?.[1]
  if (sleep !== undefined) {
    // biome-ignore lint/suspicious/noThenProperty: never a function, so nothing takes it for a promise
    return { delayMs: Number(sleep) * 1000, then: { rows: [{ pg_sleep: '' }] } }
  }
  if (/\bpg_current_wal_(insert_)?lsn\b/i.test(part.code) && context.state.inRecovery) {
    return {
      error: {
        code: '55000',
        message: 'recovery is in progress',
        hint: 'WAL control functions cannot be executed during recovery.',
      },
    }
  }
  const items = selectList(part).map((text) => item(text, context, setting))
  if (items.length === 0 || items.some((found) => found === undefined)) return { rows: [] }
  const list = items as Item[]
  return {
    rows: (parameters) => [list.map(({ value }) => value(parameters))],
    columns: list.map(({ name, type }) => ({ name, type })),
  }
}

// What the pool asks a fresh session: who it is, which server it leads to, and about the parameters
// of its start-up message.
const STARTUP_QUESTION = /^\s*select pg_catalog\.pg_backend_pid\(\), pg_catalog\.version\(\)/
const ASKED = /, pg_catalog\.current_setting\(E'([^']*)', true\), case/g

/**
 * Who it is, which server, and of each parameter its value, that it was not set later, and whether
 * the session has it.
 */
function startUpAnswer(
  { text, code }: StatementPart,
  context: AnswerContext,
  setting: (name: string) => string | undefined,
): Reaction | undefined {
  if (!STARTUP_QUESTION.test(code)) return undefined
  const [, version] = callResult('version', undefined, context, setting)!
  const values: WireValue[] = [context.pid, version]
  const columns: WireColumn[] = [
    { name: 'pg_backend_pid', type: 'int4' },
    { name: 'version', type: 'text' },
  ]
  const { startedAt, address = null, port = null, inRecovery, systemId, timeline } = context.state
  if (text.includes('pg_postmaster_start_time')) {
    values.push(startedAt, address, port, inRecovery ? 'on' : 'off')
    columns.push(
      { name: 'extract', type: 'text' },
      { name: 'host', type: 'text' },
      { name: 'inet_server_port', type: 'int4' },
      { name: 'current_setting', type: 'text' },
    )
  }
  if (text.includes('pg_control_system')) {
    values.push(systemId, timeline)
    columns.push({ name: 'system_identifier', type: 'text' }, { name: 'case', type: 'int4' })
  }
  for (const [, name] of text.matchAll(ASKED)) {
    const value = setting(name!)
    values.push(value ?? null, 0, value === undefined ? 0 : 1)
    columns.push(
      { name: 'current_setting', type: 'text' },
      { name: 'case', type: 'int4' },
      { name: 'case', type: 'int4' },
    )
  }
  return { columns, rows: [values] }
}

/** One row with the columns that a probe names, whatever else it contains. */
function probe({ text, code }: StatementPart, state: WireState): Reaction {
  const values: Readonly<Record<string, readonly [type: string, value: WireValue]>> = {
    in_recovery: ['bool', state.inRecovery],
    pg_is_in_recovery: ['bool', state.inRecovery],
    read_only: ['bool', state.inRecovery || state.readOnly],
    system_id: ['text', state.systemId],
    timeline: ['int4', state.timeline],
    started_at: ['text', state.startedAt],
    address: ['text', state.address === undefined ? null : `${state.address}:${state.port}`],
    port: ['int4', state.port ?? null],
    lsn: ['text', state.lsn],
    receive_lsn: ['text', state.receiveLsn ?? null],
    replay_paused: ['bool', state.replayPaused ?? false],
  }
  const found = aliases(text, code)
  const names = found.length > 0 ? found : ['pg_is_in_recovery']
  const columns: WireColumn[] = names.map((name) => ({ name, type: values[name]?.[0] ?? 'text' }))
  return { columns, rows: [names.map((name) => values[name]?.[1] ?? null)] }
}

/**
 * The aliases of the select list; those inside parentheses (`cast(x as text)`) only when there are
 * no others.
 */
function aliases(text: string, code: string): string[] {
  const outer: string[] = []
  const all: string[] = []
  let depth = 0
  let pastList = false
  for (const { 0: token, index } of code.matchAll(/[()]|\bfrom\b|\bas\s/gi)) {
    if (token === '(') depth += 1
    else if (token === ')') depth -= 1
    else if (token.toLowerCase() === 'from') pastList ||= depth === 0
    else {
      // A quoted alias is blank in `code`, so the name is read from the text.
      const name = /^\s*"?(\w+)/.exec(text.slice(index + token.length))?.[1]
      if (name === undefined) continue
      all.push(name)
      if (depth === 0 && !pastList) outer.push(name)
    }
  }
  return outer.length > 0 ? outer : all
}

/**
 * The items between SELECT and the end, cut at the commas outside parentheses; none when there is
 * more than a list.
 */
function selectList({ text, code }: StatementPart): string[] {
  const head = /^\s*select\b/i.exec(code)?.[0]
  if (head === undefined || /\b(from|where|union|order|limit|group|having)\b/i.test(code)) return []
  const items: string[] = []
  let depth = 0
  let start = head.length
  for (let at = start; at <= code.length; at += 1) {
    const character = code[at]
    if (character === '(') depth += 1
    else if (character === ')') depth -= 1
    else if (character === undefined || (character === ',' && depth === 0)) {
      items.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  return items
}

const ITEM =
  /^(?:pg_catalog\.)?(?:\$(?<parameter>\d+)|(?<integer>-?\d+)|(?<decimal>-?\d*\.\d+)|(?<bool>true|false)|(?<nothing>null)|'(?<string>(?:[^']|'')*)'|(?<call>\w+)\s*\(\s*(?:'(?<argument>[^']*)'[^)]*)?\)|(?<name>current_user|session_user|current_database|user))(?:::(?:pg_catalog\.)?(?<type>\w+))?(?:\s+(?:as\s+)?"?(?<alias>\w+)"?)?$/i

function item(
  text: string,
  context: AnswerContext,
  setting: (name: string) => string | undefined,
): Item | undefined {
  const found = ITEM.exec(text)?.groups
  if (!found) return undefined
  const { parameter, integer, decimal, bool, nothing, string, call, argument, name, type, alias } =
    found as Record<string, string | undefined>
  const make = (fallback: string, kind: string, value: Item['value']): Item => ({
    name: alias ?? fallback,
    type: type ?? kind,
    value,
  })
  const anonymous = type ?? '?column?'
  if (parameter !== undefined) {
    const index = Number(parameter) - 1
    return make(anonymous, 'text', (parameters) => parameters[index]?.toString() ?? null)
  }
  const number = integer ?? decimal
  if (number !== undefined) {
    return make(anonymous, integer === undefined ? 'numeric' : 'int4', () => number)
  }
  if (bool !== undefined) return make('bool', 'bool', () => bool.toLowerCase() === 'true')
  if (nothing !== undefined) return make(anonymous, 'text', () => null)
  if (string !== undefined) return make(anonymous, 'text', () => string.replaceAll("''", "'"))
  const result = callResult(call ?? name ?? '', argument, context, setting)
  return result && make((call ?? name ?? '').toLowerCase(), result[0], () => result[1])
}

function callResult(
  call: string,
  argument: string | undefined,
  { state, pid, startup }: AnswerContext,
  setting: (name: string) => string | undefined,
): readonly [type: string, value: WireValue] | undefined {
  switch (call.toLowerCase()) {
    case 'pg_backend_pid':
      return ['int4', pid]
    case 'current_setting':
      return ['text', setting(argument ?? '') ?? null]
    case 'version':
      return ['text', 'PostgreSQL 18.4 (wire server)']
    case 'now':
    case 'clock_timestamp':
      return ['timestamptz', new Date()]
    case 'current_database':
      return ['text', startup.get('database') ?? startup.get('user') ?? '']
    case 'current_user':
    case 'session_user':
    case 'user':
      return ['text', startup.get('user') ?? '']
    case 'pg_current_wal_lsn':
    case 'pg_current_wal_insert_lsn':
    case 'pg_current_wal_flush_lsn':
      return ['pg_lsn', state.lsn]
    case 'pg_last_wal_replay_lsn':
      return ['pg_lsn', state.inRecovery ? state.lsn : null]
    case 'pg_last_wal_receive_lsn':
      return ['pg_lsn', state.receiveLsn ?? null]
    case 'pg_is_wal_replay_paused':
      return ['bool', state.replayPaused ?? false]
    case 'pg_postmaster_start_time':
      return ['timestamptz', state.startedAt]
    case 'set_config':
    case 'pg_notify':
    case 'pg_advisory_unlock_all':
      return ['text', '']
    default:
      return undefined
  }
}
