import type { Sample } from '../interleave.js'
import type { Target } from '../target.js'
import { compare } from './compare.js'
import { ways } from './ways.js'

/** One task: who takes part, and how one of them is measured against the server at `url`. */
export interface OtelTask {
  readonly variants: readonly string[]
  measure(variant: string, url: string): Promise<Sample>
}

const TASK = 'watched point query, 100 callers'
const MAKES_SPANS = 'spans'

/** What instrumentation costs a call, by name. */
export const otelTasks: Readonly<Record<string, OtelTask>> = {
  [TASK]: {
    variants: Object.keys(ways),
    measure: (variant, url) => compare(ways[variant]!, url, variant === MAKES_SPANS),
  },
}

const rate = { task: TASK, metric: 'calls/s ÷ plain' } as const

/** What is promised of these costs. */
export const otelTargets: readonly Target[] = [
  { ...rate, what: 'no SDK: calls/s ÷ without', ours: 'no SDK', atLeast: 0.99 },
  { ...rate, what: 'metrics: calls/s ÷ without', ours: 'metrics', atLeast: 0.95 },
  { ...rate, what: 'spans of 1 %: calls/s ÷ without', ours: 'spans of 1 %', atLeast: 0.95 },
  {
    task: TASK,
    metric: 'CPU more ÷ bare span',
    what: 'spans of all calls: CPU more ÷ a bare loop that makes them',
    ours: MAKES_SPANS,
    atMost: 1.25,
  },
]
