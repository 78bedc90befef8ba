import { runsCode } from '../../sql/commits-midway.js'
import { isNamingSetting } from '../../sql/setting-traits.js'
import { traitsOf } from '../../sql/statement-traits.js'
import { CHANGES_NAMING, CHANGES_SESSION } from '../../sql/trait-flags.js'

/** What a statement may do to the meaning of the texts that follow it in its session. */
export interface NamingChange {
  /** Until when: the end of the transaction, or a reset of the session. */
  readonly until: 'transaction' | 'reset'
  /**
   * Which of its values name the settings, counted from 0; undefined if the change does not depend
   * on its values.
   */
  readonly settingsIn?: readonly number[] | undefined
  /** Whether it runs code that may COMMIT, and may fail after that. */
  readonly runsCode?: boolean | undefined
}

const CALL =
  /(?:pg_catalog\.)?set_config\(\s*(?:'([\w.]+)'|\$(\d+)(?:::text)?)\s*,\s*(?:'[^'\\]*'|\$\d+(?:::text)?|null)\s*,\s*(true|false)\s*\)(?:\s+as\s+\w+)?/
const ONLY_CALLS = new RegExp(
  `^\\s*select\\s+${CALL.source}(?:\\s*,\\s*${CALL.source})*\\s*;?\\s*$`,
  'i',
)
// They return to what held when the session was born.
const ONLY_RESETS = /^\s*(?:discard\s+\w+|reset\s+(?:\w+|session\s+authorization))\s*;?\s*$/i

/**
 * What a text may do to the meaning of later ones, undefined if nothing: another search path, role
 * or way to read constants.
 */
export function namingChangeOf(text: string): NamingChange | undefined {
  const traits = traitsOf(text)
  if ((traits & CHANGES_NAMING) === 0 || ONLY_RESETS.test(text)) return undefined
  if (ONLY_CALLS.test(text)) return changeByCalls(text)
  const until = (traits & CHANGES_SESSION) === 0 ? 'transaction' : 'reset'
  return { until, runsCode: runsCode(text) }
}

const ONLY_BEGINS = /^\s*(?:begin|start\s+transaction)(?:\s+[\w\s,]*)?;?\s*$/i

/**
 * Whether a text certainly leaves the meaning of later ones alone, because it calls no function but
 * `set_config`: BEGIN, and settings.
 */
export function leavesMeaning(text: string): boolean {
  return ONLY_BEGINS.test(text) || ONLY_CALLS.test(text)
}

/** Whether a setting that a value names leaves the meaning of texts alone. */
export function isHarmless(name: unknown): boolean {
  return typeof name === 'string' && !isNamingSetting(name)
}

function changeByCalls(text: string): NamingChange | undefined {
  let until: NamingChange['until'] = 'transaction'
  let isCertain = false
  const settingsIn: number[] = []
  for (const [, literal, parameter, local] of text.matchAll(new RegExp(CALL, 'gi'))) {
    if (literal !== undefined && isHarmless(literal)) continue
    if (literal !== undefined) isCertain = true
    else settingsIn.push(Number(parameter) - 1)
    if (local!.toLowerCase() === 'false') until = 'reset'
  }
  if (isCertain) return { until }
  return settingsIn.length === 0 ? undefined : { until, settingsIn }
}
