import { OUTCOME_RULES, type OutcomeRule } from '../../packages/core/src/outcome/sqlstate.js'
import { code, table } from './markdown.js'

const BEGIN =
  '<!-- outcomes: made by `npx -y pnpm@12 docs:reference` out of packages/core/src/outcome/sqlstate.ts -->'
const PLAIN =
  '<!-- biome-ignore format: a table as wide as its longest cell cannot be read in a diff -->'
const END = '<!-- /outcomes -->'

/**
 * The page with the table of what an answer of the server means put between its two marks. Throws
 * if they are not there.
 */
export function withOutcomes(page: string): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from === -1 || to < from) throw new Error('docs/errors.md has no place for the outcomes')
  return `${page.slice(0, from)}${BEGIN}\n\n${PLAIN}\n\n${outcomes()}\n\n${page.slice(to)}`
}

function outcomes(): string {
  const head = ['said', 'SQLSTATE', 'session', '`executed`', 'says of the server', 'again', 'why']
  return table(head, OUTCOME_RULES.map(row))
}

function row(rule: OutcomeRule): string[] {
  const { said, codes, only, session, executed, node, repeat, source } = rule
  const which = codes.length === 0 ? 'any other' : codes.map(stateOf).join(', ')
  const condition = only === undefined ? '' : `; ${only}`
  return [said, which + condition, session.replace('-', ' '), code(executed), node, repeat, source]
}

const stateOf = (state: string): string => code(state.padEnd(5, '…').replace(/…+$/, '…'))
