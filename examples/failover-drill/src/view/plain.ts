import type { Writable } from 'node:stream'
import type { RoundReport } from '../report.js'
import type { Entry, NodeStatus, Scoreboard, Status } from '../scoreboard.js'
import { renderSummary } from './summary.js'
import { grouped, right, seconds, voiceTag } from './text.js'
import type { View } from './view.js'

const STATUS_EVERY_MS = 1_000

/** Writes one line per event and one per second: for files, pipes and logs. */
export class PlainView implements View {
  readonly #output: Writable
  #timer: NodeJS.Timeout | undefined

  /** Writes to `output`. */
  constructor(output: Writable) {
    this.#output = output
  }

  begin(board: Scoreboard): void {
    const round = board.rounds === 1 ? '' : `, round ${board.round} of ${board.rounds}`
    this.notice(`poolhouse failover drill${round}`)
    this.#timer = setInterval(() => this.#status(board.status()), STATUS_EVERY_MS)
  }

  tell(entry: Entry): void {
    this.notice(entryLine(entry))
  }

  notice(text: string): void {
    this.#output.write(`${text}\n`)
  }

  end(): void {
    clearInterval(this.#timer)
  }

  finish(reports: readonly RoundReport[]): void {
    this.notice(renderSummary(reports))
  }

  #status(status: Status): void {
    if (status.nodes.length === 0) return // the servers are still starting
    const { at, primary, timeline, writes, reads, nodes, held } = status
    const who = primary === undefined ? 'no primary' : `primary ${primary}, timeline ${timeline}`
    const state = [
      `${who}`,
      `writes ${perSecond(writes.perSecond)}`,
      ...(held > 0 ? [`${held} held`] : []),
      ...(writes.inDoubt > 0 ? [`${writes.inDoubt} in doubt`] : []),
      ...(writes.failed > 0 ? [`${writes.failed} failed`] : []),
      `reads ${perSecond(reads.perSecond)} (${nodes.map(readsOf).join(', ')})`,
      ...(reads.failed > 0 ? [`${reads.failed} reads failed`] : []),
    ]
    this.notice(`${right(seconds(at), 8)}  state  ${state.join(' · ')}`)
  }
}

/** One sentence of the time line as a line of its own. */
export function entryLine({ at, voice, text }: Entry): string {
  return `${right(seconds(at), 8)}  ${voiceTag(voice)}  ${text}`
}

function readsOf({ label, readsPerSecond }: NodeStatus): string {
  return `${label.split(':')[0]} ${readsPerSecond}`
}

function perSecond(value: number): string {
  return `${grouped(value)}/s`
}
