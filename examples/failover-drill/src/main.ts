import { Drill } from './drill.js'
import { type DrillOptions, readOptions } from './options.js'
import { isKept } from './promises.js'
import type { RoundReport } from './report.js'
import { Scoreboard } from './scoreboard.js'
import { catchSignals } from './signals.js'
import { JsonView } from './view/json.js'
import { LiveView } from './view/live.js'
import { PlainView } from './view/plain.js'
import type { View } from './view/view.js'

const KEPT = 0
const BROKEN = 1

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  const view = chooseView(options)
  const stop = catchSignals((text) => view.notice(text))
  try {
    const reports = await runRounds(options.rounds, view, stop.signal)
    view.finish(reports)
    return reports.every(isKept) ? KEPT : BROKEN
  } catch (error) {
    if (stop.exitCode !== undefined) return stop.exitCode
    process.stderr.write(`failover-drill: ${explain(error)}\n`)
    return BROKEN
  }
}

async function runRounds(
  rounds: number,
  view: View,
  signal: AbortSignal,
): Promise<readonly RoundReport[]> {
  const reports: RoundReport[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const board = new Scoreboard(round, rounds, (entry) => view.tell(entry))
    view.begin(board)
    try {
      reports.push(await new Drill(board, signal).run())
      board.phase = 'done'
    } finally {
      view.end()
    }
  }
  return reports
}

function chooseView({ json, plain }: DrillOptions): View {
  if (json) return new JsonView(process.stdout, process.stderr)
  const { stdout, env } = process
  const { TERM } = env
  return plain || !stdout.isTTY || TERM === 'dumb' ? new PlainView(stdout) : new LiveView(stdout)
}

/**
 * The messages of an error and of its causes. The stack would not help a reader of a demo.
 */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined
    ? error.message
    : `${error.message}\n  because: ${explain(error.cause)}`
}

const exitCode = await main()
// A pipe may still hold the end of the output; a closed one is not waited for.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
// Not `process.exitCode`: a call that never settles must not keep the demo from ending.
process.exit(exitCode)
