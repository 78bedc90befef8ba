import { code, codeBlock, memberRow, optionRow, prose, table } from './markdown.js'
import type { Chapter } from './outline.js'
import type { PublicApi } from './public-api.js'

/** Writes one chapter. Throws an `Error` when it names what is not exported. */
export function writeChapter(
  api: PublicApi,
  chapter: Chapter,
  linked: ReadonlySet<string>,
): string {
  const {
    title,
    from,
    functions = [],
    options = [],
    changes = [],
    members = [],
    words = [],
  } = chapter
  const heading = (name: string): string =>
    `### ${name}${from !== undefined && api.isAmbiguous(name) ? ` of ${from}` : ''}`
  return [
    `## ${title}`,
    ...functions.flatMap((name) => {
      const symbol = api.find(name, from)
      const examples = api.examplesOf(symbol).map(codeBlock)
      return [heading(name), code(api.signatureOf(symbol)), prose(api.docOf(symbol)), ...examples]
    }),
    ...options.flatMap((name) => {
      const symbol = api.find(name, from)
      const rows = api.membersOf(symbol, true).map((member) => {
        const [option = '', type = '', fallback = '', meaning = ''] = optionRow(member)
        return [option, type, fallback, `${meaning}${seeAlso(member.type, name, linked)}`]
      })
      return [
        heading(name),
        prose(api.docOf(symbol)),
        ...api.examplesOf(symbol).map(codeBlock),
        table(['option', 'type', 'default', 'meaning'], rows),
      ]
    }),
    ...changes.flatMap((name) => {
      const symbol = api.find(name, from)
      const names = api.membersOf(symbol, true).map((member) => code(member.name))
      return [
        heading(name),
        `${prose(api.docOf(symbol))} What is left out stays as it is: ${names.join(', ')}.`,
      ]
    }),
    ...members.flatMap((name) => {
      const symbol = api.find(name, from)
      const parents = api.parentsOf(symbol).filter((parent) => linked.has(parent))
      const also = parents.map((parent) => link(parent)).join(', ')
      const rows = api.membersOf(symbol, false).map((member) => {
        const [what = '', meaning = ''] = memberRow(member)
        return [what, `${meaning}${seeAlso(member.type, name, linked)}`]
      })
      return [
        heading(name),
        prose(api.docOf(symbol)) + (also === '' ? '' : ` It also has all of ${also}.`),
        ...(rows.length > 0 ? [table(['member', 'meaning'], rows)] : []),
      ]
    }),
    ...words.flatMap((name) => [heading(name), prose(api.docOf(api.find(name, from)))]),
  ].join('\n\n')
}

/** A link to the section of a type. */
const link = (name: string): string => `[\`${name}\`](#${name.toLowerCase()})`

function seeAlso(type: string, within: string, linked: ReadonlySet<string>): string {
  const names = new Set(type.match(/\b[A-Z]\w+/g))
  const known = [...names].filter((name) => name !== within && linked.has(name))
  return known.length === 0 ? '' : ` → ${known.map(link).join(', ')}`
}
