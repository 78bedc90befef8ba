import type { StatementPart } from '../protocol/split-statements.js'
import type { AnswerContext } from './answer-context.js'
import { commandTag } from './command-tag.js'
import type { Reaction, WireError } from './script.js'
import { selectAnswer } from './select-answers.js'
import { reportedSettings } from './server-state.js'

const WRITES =
  /^\s*(?:explain\s+analy[sz]e\s+)?(insert|update|delete|merge|truncate|create|alter|drop|grant|revoke|comment|reindex|vacuum|cluster|refresh|import|security|reassign)\b/i
const WRITES_IN_WITH = /^\s*with\b.*?\b(insert|update|delete|merge)\b/is
const LOCKS = /^\s*(?:select|with)\b.*\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b/is

/** What the server does with a statement that no script claims. */
export function defaultReaction(part: StatementPart, context: AnswerContext): Reaction {
  const refusal = refusedWrite(part.code, context)
  if (refusal) return { error: refusal }
  const word = /^\s*([a-z]+)/i.exec(part.code)?.[1]?.toLowerCase() ?? ''
  switch (word) {
    case 'select':
    case 'with':
    case 'values':
    case 'table':
      return selectAnswer(part, context, (name) => setting(name, context))
    case 'show':
      return show(fromFirstWord(part), context)
    case 'explain':
      return { rows: [{ 'QUERY PLAN': 'Result  (cost=0.00..0.01 rows=1 width=4)' }] }
    case 'begin':
    case 'start':
      if (context.transactionStatus === 'I') return { tag: commandTag(part) }
      return warning('25001', 'there is already a transaction in progress', commandTag(part))
    case 'commit':
    case 'end':
    case 'rollback':
    case 'abort':
      return endTransaction(part, context)
    case 'set':
      set(fromFirstWord(part), context)
      return { tag: 'SET' }
    case 'reset':
    case 'discard':
      reset(fromFirstWord(part), context)
      return { tag: commandTag(part) }
    case 'copy':
      return { error: { code: '0A000', message: 'the wire server does not play COPY' } }
    default: {
      const tag = commandTag(part)
      if (tag !== '') return { tag }
      const near = part.text.split(/\s/)[0]
      return { error: { code: '42601', message: `syntax error at or near "${near}"`, position: 1 } }
    }
  }
}

/** The value of a setting as this session sees it; `undefined` for one that was never set. */
function setting(name: string, context: AnswerContext): string | undefined {
  const key = name.toLowerCase()
  const { state, settings, startup } = context
  if (key === 'transaction_read_only') return isReadOnly(context) ? 'on' : 'off'
  const own = settings.get(key) ?? startupSetting(key, startup)
  if (own !== undefined) return own
  for (const [reported, value] of reportedSettings(state)) {
    if (reported.toLowerCase() === key) return value
  }
  switch (key) {
    case 'server_version_num':
      return '180004'
    case 'transaction_isolation':
    case 'default_transaction_isolation':
      return 'read committed'
    case 'application_name':
      return startup.get('application_name') ?? ''
    case 'search_path':
      return '"$user", public'
    case 'statement_timeout':
      return '0'
    default:
      return startup.get(key)
  }
}

/** What `options` of the start-up message sets, as `-c name=value`. */
function startupSetting(name: string, startup: ReadonlyMap<string, string>): string | undefined {
  const words = startup.get('options')?.match(/(?:\\.|\S)+/gs) ?? []
  let found: string | undefined
  for (const [index, word] of words.entries()) {
    const [key, ...value] = word.split('=')
    if (words[index - 1] === '-c' && key!.toLowerCase() === name)
      found = value.join('=').replaceAll(/\\(.)/gs, '$1')
  }
  return found
}

function isReadOnly({ state, settings, readOnlyTransaction }: AnswerContext): boolean {
  const own = settings.get('default_transaction_read_only')
  const readOnly = own === undefined ? state.readOnly : own === 'on'
  return state.inRecovery || readOnlyTransaction || readOnly
}

function refusedWrite(code: string, context: AnswerContext): WireError | undefined {
  if (!isReadOnly(context)) return undefined
  if (context.state.inRecovery && /^\s*(listen|unlisten|notify)\b/i.test(code)) {
    const what = /^\s*(\w+)/.exec(code)?.[1]?.toUpperCase()
    return {
      code: '25006',
      message: `cannot execute ${what} during recovery`,
      routine: 'PreventCommandDuringRecovery',
    }
  }
  const lock = LOCKS.exec(code)?.[1]?.replace(/\s+/g, ' ').toUpperCase()
  const verb = WRITES.exec(code)?.[1] ?? WRITES_IN_WITH.exec(code)?.[1]
  const isTemporary = /^\s*create\s+temp/i.test(code) && !context.state.inRecovery
  if ((!verb && !lock) || isTemporary) return undefined
  const what = verb ? writeName(verb, code) : `SELECT FOR ${lock}`
  return {
    code: '25006',
    message: `cannot execute ${what} in a read-only transaction`,
    routine: 'PreventCommandIfReadOnly',
  }
}

/** INSERT, but CREATE TABLE: the server names the command as its tag does. */
function writeName(verb: string, code: string): string {
  if (/^(insert|update|delete|merge)$/i.test(verb)) return verb.toUpperCase()
  return commandTag({ text: code, code })
}

/** The statement without comments in front of it. */
function fromFirstWord({ text, code }: StatementPart): string {
  return text.slice(code.search(/\S/))
}

function show(text: string, context: AnswerContext): Reaction {
  const name = /^\s*show\s+"?([\w.]+)"?/i.exec(text)?.[1] ?? ''
  const value = setting(name, context)
  if (value !== undefined) return { rows: [{ [name.toLowerCase()]: value }], tag: 'SHOW' }
  return {
    error: { code: '42704', message: `unrecognized configuration parameter "${name}"` },
  }
}

function set(text: string, { settings }: AnswerContext): void {
  const found = /^\s*set\s+(?:session\s+|local\s+)?"?([\w.]+)"?\s*(?:=|\s+to\s)\s*(.*)$/is.exec(
    text,
  )
  const [, name, value] = found ?? []
  if (name === undefined || value === undefined) return
  settings.set(name.toLowerCase(), value.trim().replace(/^'(.*)'$/s, '$1'))
}

function reset(text: string, { settings }: AnswerContext): void {
  const name = /^\s*reset\s+"?([\w.]+)"?/i.exec(text)?.[1]?.toLowerCase()
  if (name !== undefined && name !== 'all') settings.delete(name)
  else if (name === 'all' || /^\s*discard\s+all\b/i.test(text)) settings.clear()
}

function endTransaction(part: StatementPart, context: AnswerContext): Reaction {
  const tag = commandTag(part)
  const toSavepoint = /^\s*rollback\b.*\bto\b/is.test(part.code)
  if (context.transactionStatus === 'I' && toSavepoint) {
    return {
      error: {
        code: '25P01',
        message: 'ROLLBACK TO SAVEPOINT can only be used in transaction blocks',
      },
    }
  }
  if (context.transactionStatus === 'I' && !/\bprepared\b/i.test(part.code)) {
    return warning('25P01', 'there is no transaction in progress', tag)
  }
  // The work is gone; the tag is the only sign of it.
  return { tag: context.transactionStatus === 'E' ? 'ROLLBACK' : tag }
}

function warning(code: string, message: string, tag: string): Reaction {
  // biome-ignore lint/suspicious/noThenProperty: never a function, so nothing takes it for a promise
  return { notice: { severity: 'WARNING', code, message }, then: { tag } }
}
