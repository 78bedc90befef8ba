import { defaultOf } from './markdown.js'
import type { EntryPoint, Member, PublicApi } from './public-api.js'

/** What is an option, and what is left alone. */
export interface HoverRules {
  /** Types whose members are options although their name does not end in `Options`. */
  readonly options: ReadonlySet<string>
  /** Types of options that change what there is: what is left out stays as it is. */
  readonly changes: ReadonlySet<string>
  /** Types whose methods the application or its framework brings along. */
  readonly foreign: ReadonlySet<string>
}

/** What a number may count or measure. Names that end in `Ms` and `Bytes` have no choice. */
const UNITS = unitsOf(
  ...['bytes', 'calls', 'callers', 'characters', 'clients', 'connections', 'log-ins', 'nodes'],
  ...['probes', 'processes', 'reads', 'replicas', 'rows', 'statements', 'tenants', 'users'],
  ...['workers', 'writes', 'attempts', 'times', 'seconds', 'milliseconds'],
  ...['integer', 'port', 'share', 'weights'],
)

function unitsOf(...words: readonly string[]): RegExp {
  return new RegExp(`\\b(?:${words.join('|')})\\b`, 'i')
}

/**
 * What the hover texts of a public API leave out, one line each: an option says its unit if it is a
 * number, its default unless it is required, and an example shows it, its own or one of its
 * interface; a function and a method have an example each. Reads what the entry points export.
 */
export function findHoverGaps(api: PublicApi, rules: HoverRules): string[] {
  const gaps = api.entryPoints.flatMap((entry) => gapsOf(api, entry, rules))
  return [...new Set(gaps)].sort(new Intl.Collator('en', { numeric: true }).compare)
}

function gapsOf(api: PublicApi, { exports }: EntryPoint, rules: HoverRules): string[] {
  const optionTypes = new Set(
    [...exports.keys()].filter((name) => /Options$/.test(name) || rules.options.has(name)),
  )
  for (const name of optionTypes) {
    const parents = api.parentsOf(exports.get(name)!)
    for (const parent of parents) if (exports.has(parent)) optionTypes.add(parent)
  }
  return [...exports].flatMap(([name, symbol]) => {
    const functions = api
      .functionsOf(symbol)
      .filter(({ examples }) => examples.length === 0)
      .map(({ at }) => `${at}: ${name}() has no example`)
    const members = api.membersOf(symbol, false)
    const methods = members
      .filter(({ isMethod, examples }) => isMethod && examples.length === 0)
      .map((member) => `${member.at}: ${name}.${member.name}() has no example`)
    if (!optionTypes.has(name)) return [...functions, ...(rules.foreign.has(name) ? [] : methods)]
    const shown = api.examplesOf(symbol).join('\n')
    return members.flatMap((member) =>
      gapsOfOption(member, shown, rules.changes.has(name)).map(
        (gap) => `${member.at}: ${name}.${member.name} ${gap}`,
      ),
    )
  })
}

function gapsOfOption(option: Member, shown: string, isChange: boolean): string[] {
  const { name, doc, optional, examples } = option
  const gaps: string[] = []
  if (doc === '') gaps.push('says nothing')
  if (optional && !isChange && defaultOf(doc) === '') gaps.push('says no default')
  const unit = unitOf(option)
  if (unit !== undefined && !unit.test(doc)) gaps.push('says no unit')
  if (examples.length === 0 && !new RegExp(`\\b${name}\\b`).test(shown)) {
    gaps.push('is in no example')
  }
  return gaps
}

/** How the unit of an option may be told; undefined if its value is no number. */
function unitOf({ name, type, isMethod }: Member): RegExp | undefined {
  const parts = type.replace(/<.*>|\(.*\)/g, '').split(' | ')
  if (isMethod || !parts.includes('number')) return undefined
  if (name.endsWith('Ms')) return /\bmilliseconds\b/i
  return name.endsWith('Bytes') ? /\bbytes\b/i : UNITS
}
