import type { Member } from './public-api.js'

/** A table of Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

/** Something in the type face of programs. */
export const code = (text: string): string => (text === '' ? '' : `\`${text}\``)

/** The first sentence of a doc comment. */
export function firstSentence(doc: string): string {
  const [first = ''] = prose(doc).split(/(?<=[.:])\s+(?=[A-Z`])|\n/)
  return first.replace(/:$/, '.')
}

/** A doc comment, each paragraph on a line of its own. */
export function prose(doc: string): string {
  return doc
    .trim()
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replace(/\s*\n(?!- )\s*/g, ' ').trim())
    .filter((paragraph) => paragraph !== '')
    .join('\n\n')
}

/** Code as a block. */
export const codeBlock = (text: string): string => `\`\`\`ts\n${text}\n\`\`\``

/** What a doc comment says is the default of an option; empty if it says none. */
export const defaultOf = (doc: string): string => splitDefault(prose(doc)).fallback

/**
 * An option: name, type, default, meaning. The default is taken out of the doc comment, in the
 * words that it is told by there.
 */
export function optionRow(member: Member): string[] {
  const { fallback, meaning } = splitDefault(prose(member.doc))
  const shown = fallback === '' && !member.optional ? '**required**' : fallback
  return [code(member.name), code(member.type), shown, meaning]
}

/** A member of something that one gets: what it is called or how it is called, and the meaning. */
export function memberRow({ name, type, isMethod, optional, doc }: Member): string[] {
  return [code(isMethod ? type : `${name}${optional ? '?' : ''}: ${type}`), prose(doc)]
}

/** Members in one cell, each on a line of its own. */
export function memberLines(members: readonly Member[]): string {
  return members.map((member) => memberRow(member).join(' ')).join('\n')
}

// Longer ones are told with their conditions, among the meaning.
const LONGEST_DEFAULT = 60

function splitDefault(doc: string): { fallback: string; meaning: string } {
  const sentence = /(?:^|(?<=[.:)] |\n))Default:? ([\s\S]+?)\.(?= [A-Z`\d]|\n|$)\s*/.exec(doc)
  if (sentence !== null) {
    const [whole, fallback = ''] = sentence
    if (fallback.length <= LONGEST_DEFAULT) {
      return { fallback, meaning: doc.replace(whole, '').trim() }
    }
    return { fallback: `${fallback.split(/[;,:] /, 1)[0]} …`, meaning: doc }
  }
  const clause = /[;,] default ([^.;]+?)(?=\.|;)/.exec(doc)
  if (clause !== null) return { fallback: clause[1]!, meaning: doc.replace(clause[0], '') }
  const marked = /(`[^`]+`) \(default\)/.exec(doc)
  return { fallback: marked?.[1] ?? '', meaning: doc }
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\n+/g, '<br>')
}
