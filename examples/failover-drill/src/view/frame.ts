import type { NodeState } from '@poolhouse/core'
import pc from 'picocolors'
import type { LoadStatus, NodeStatus, Scoreboard, Status } from '../scoreboard.js'
import { entryLine } from './plain.js'
import { cut, grouped, left, right, seconds } from './text.js'

/** Room on the screen. */
export interface FrameSize {
  readonly columns: number
  readonly rows: number
}

/**
 * Calls a second at which a bar is full: the pace of the workload, a little more for the burst
 * after a hold.
 */
const FULL_WRITES = 160
const FULL_READS = 260
const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/** The picture of a round, line by line; the time line gets the rows that are left. */
export function renderFrame(board: Scoreboard, { columns, rows }: FrameSize): string[] {
  const status = board.status()
  const head = [title(board, status, columns), phase(status), '']
  const body =
    status.nodes.length === 0
      ? []
      : [
          ...nodeTable(status),
          '',
          load('writes', 'acknowledged', status.writes, FULL_WRITES),
          load('reads', 'served', status.reads, FULL_READS),
          troubles(status),
          '',
        ]
  const room = Math.max(0, rows - head.length - body.length)
  const entries = room === 0 ? [] : board.entries.slice(-room).map(entryLine)
  return [...head, ...body, ...entries]
    .slice(0, Math.max(1, rows))
    .map((line) => cut(line, columns))
}

function title({ round, rounds }: Scoreboard, { at }: Status, columns: number): string {
  const name = ` ${pc.bold('poolhouse failover drill')}`
  const which = rounds === 1 ? '' : pc.dim(` · round ${round} of ${rounds}`)
  return left(name + which, columns - 10) + right(seconds(at), 9)
}

function phase({ phase, primary }: Status): string {
  return ` ${primary === undefined ? pc.yellow(phase) : phase}`
}

function nodeTable({ nodes, timeline }: Status): string[] {
  const head = row(['node', 'state', 'lag at most', 'writes/s', 'reads/s', 'connections'])
  return [pc.dim(head), ...nodes.map((node) => nodeLine(node, timeline))]
}

function nodeLine(node: NodeStatus, timeline: number | undefined): string {
  const { label, state, lagMs, writesPerSecond, readsPerSecond, connections } = node
  return row([
    pc.bold(label),
    stateText(state, timeline),
    lagMs === undefined ? '' : `${grouped(lagMs)} ms`,
    rate(writesPerSecond),
    rate(readsPerSecond),
    String(connections),
  ])
}

function row([node, state, ...numbers]: readonly [string, string, ...string[]]): string {
  return ` ${left(node, 9)}${left(state, 20)}${numbers.map((text) => right(text, 12)).join('')}`
}

function stateText(state: NodeState, timeline: number | undefined): string {
  switch (state) {
    case 'primary':
      return pc.green(`★ ${state}, timeline ${timeline}`)
    case 'replica':
      return pc.cyan(`● ${state}`)
    case 'unreachable':
    case 'fenced':
    case 'foreign':
    case 'diverged':
      return pc.red(`✗ ${state}`)
    case 'unknown':
    case 'starting':
    case 'primary-read-only':
    case 'draining':
      return pc.yellow(`○ ${state}`)
  }
}

function load(
  name: string,
  done: string,
  { perSecond, recent, acknowledged }: LoadStatus,
  full: number,
): string {
  const pace = right(`${grouped(perSecond)}/s`, 8)
  return ` ${left(name, 7)}${pace}  ${left(bars(recent, full), 41)}${right(grouped(acknowledged), 7)} ${done}`
}

function bars(rates: readonly number[], full: number): string {
  return rates.map((value) => bar(value / full)).join('')
}

function bar(share: number): string {
  if (share === 0) return pc.red('_')
  const step = Math.min(BARS.length - 1, Math.floor(share * BARS.length))
  return pc.green(BARS[step]!)
}

function troubles({ held, writes, reads, poolErrors }: Status): string {
  const show = (name: string, value: number, colour: (text: string) => string): string =>
    value === 0 ? pc.dim(`${name} 0`) : colour(`${name} ${value}`)
  const parts = [
    show('writes held now', held, pc.yellow),
    show('in doubt', writes.inDoubt, pc.yellow),
    show('failed', writes.failed + reads.failed + reads.inDoubt, pc.red),
    show('connections refused or lost', poolErrors, pc.yellow),
  ]
  return ` ${parts.join('   ')}`
}

function rate(value: number): string {
  return value === 0 ? pc.dim('0') : grouped(value)
}
