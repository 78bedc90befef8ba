import type { BaseRow } from './base/against-base.js'
import type { Verdict } from './target.js'

/** What stands in the JSON report for one task. */
export interface TaskReport {
  /** What was measured. */
  readonly task: string
  /** variant → metric → median. */
  readonly medians: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** variant → metric → ours divided by theirs. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** The targets it is about, and whether they are met. */
  readonly targets: readonly Verdict[]
  /** Who could not be measured: variant → why. */
  readonly leftOut: Readonly<Record<string, string>>
  /** Ours beside those of the commit that `--base` names. */
  readonly base?: readonly BaseRow[]
}
