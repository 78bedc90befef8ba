import ts from 'typescript'
import { code, memberLines, prose, table } from './markdown.js'
import type { PublicApi } from './public-api.js'

const IN_ALL: ReadonlySet<string> = new Set(['pool', 'tenant'])

/** The events and what their listeners get. */
export function writeEvents(api: PublicApi): string {
  const rows = api.membersOf(api.find('PoolEvents'), true).map(({ name, type }) => {
    const payload = api.membersOf(api.find(type), true).filter((field) => !IN_ALL.has(field.name))
    return [code(name), prose(api.docOf(api.find(type))), memberLines(payload)]
  })
  return [
    '## Events',
    "`pool.on(name, listener)`. Listeners are called after the change, in the pool's own async context. Every payload has `pool`, the name of the pool it is about, and `tenant` where a manager tells of a tenant's own pool; none carries values or passwords. " +
      'A missing `error` listener never ends the process.',
    table(['event', 'when', 'payload'], rows),
  ].join('\n\n')
}

/**
 * The classes of errors, and what `executed` means. `knownErrors` is the page that says what to do
 * about each.
 */
export function writeErrors(api: PublicApi, knownErrors: string): string {
  const classes = api.entryPoints
    .flatMap(({ exports }) => [...exports.values()])
    .filter((symbol) => codeOf(symbol) !== undefined)
  const loose = codesWithoutClass(api)
  const codes = classes.flatMap((symbol) =>
    symbol.name === 'DatabaseError' ? [] : codeOf(symbol)!,
  )
  const missing = [
    ...classes.map(({ name }) => name).filter((name) => !knownErrors.includes(`\n### ${name}\n`)),
    ...[...codes, ...loose].filter((word) => !knownErrors.includes(`\`${word}\``)),
  ]
  if (missing.length > 0) {
    throw new Error(`docs/errors.md says nothing about ${missing.join(', ')}`)
  }
  const rows = classes.map((symbol) => {
    const [parent = ''] = api.parentsOf(symbol)
    const kin = ['Error', 'PoolhouseError'].includes(parent) ? '' : ` Extends \`${parent}\`.`
    return [
      `[${code(symbol.name)}](errors.md#${symbol.name.toLowerCase()})`,
      symbol.name === 'DatabaseError' ? 'the SQLSTATE' : code(codeOf(symbol)!),
      prose(api.docOf(symbol)) + kin,
      memberLines(api.membersOf(symbol, false)),
    ]
  })
  return [
    '## Errors',
    'What to do about each is told in [Errors](errors.md).',
    '### executed',
    prose(api.docOf(api.find('Executed'))),
    '### Classes',
    'Wrong arguments are a `TypeError` or a `RangeError`, which name the option and the value.',
    table(['class', 'code', 'when', 'fields'], rows),
    ...(loose.length === 0
      ? []
      : [`A \`PoolhouseError\` may also have the code ${loose.map(code).join(' or ')}.`]),
  ].join('\n\n')
}

/** The channels of `node:diagnostics_channel`. */
export function writeChannels(api: PublicApi): string {
  const tracing = api.find('tracing')
  const declaration = tracing.declarations?.find(ts.isVariableDeclaration)
  const type = declaration?.type
  if (type === undefined || !ts.isTypeLiteralNode(type)) throw new Error('tracing has another form')
  const names = new Map(
    [...declaration!.getText().matchAll(/(\w+): traceChannel\('([^']+)'\)/g)].map((match) => [
      match[1]!,
      match[2]!,
    ]),
  )
  const rows = type.members.filter(ts.isPropertySignature).map((member) => {
    const key = member.name.getText()
    const payload = /TraceChannel<(\w+)>/.exec(member.type?.getText() ?? '')?.[1]
    const name = names.get(key)
    if (name === undefined || payload === undefined)
      throw new Error(`tracing.${key} has another form`)
    const [comment] = ts.getJSDocCommentsAndTags(member)
    const doc = comment && ts.isJSDoc(comment) ? ts.getTextOfJSDocComment(comment.comment) : ''
    const fields = api.membersOf(api.find(payload), true)
    return [code(name), prose(doc ?? ''), memberLines(fields)]
  })
  return [
    '## Diagnostics channels',
    prose(api.docOf(tracing)),
    table(['channel', 'what', 'payload'], rows),
  ].join('\n\n')
}

/** Where the parameters of a connection URL are told. */
export function writeUrl(): string {
  return [
    '### Connection URLs',
    '`postgres://user:password@host:port/database?name=value`, percent-encoded, or the keywords of libpq. What each parameter does, those of vendors and ' +
      'other drivers too, is told in [Settings](settings.md).',
  ].join('\n\n')
}

/** The codes that are given to a `PoolhouseError` where it is made. */
function codesWithoutClass(api: PublicApi): string[] {
  const codes = api.sources.flatMap(({ text }) =>
    [...text.matchAll(/\bcode: '(POOLHOUSE_\w+)'/g)].map((match) => match[1]!),
  )
  return [...new Set(codes)].sort()
}

/** The stable code of an error class; undefined for everything else. */
function codeOf(symbol: ts.Symbol): string | undefined {
  const declaration = symbol.declarations?.find(ts.isClassDeclaration)
  const source = declaration?.getSourceFile().text ?? ''
  return new RegExp(`^brand\\(${symbol.name}, '\\w+', '(\\w+)'\\)$`, 'm').exec(source)?.[1]
}
