import type {
  AdmittedEvent,
  EjectedEvent,
  Pool,
  ResumeEvent,
  TopologyNode,
  TopologySnapshot,
} from '@poolhouse/core'
import { labelOf, type Scoreboard } from './scoreboard.js'

/** Calls that were held together. */
export interface Hold {
  readonly calls: number
  /** How long the first of them waited, in milliseconds. */
  readonly ms: number
}

/** Calls in doubt come in bursts; one sentence tells of all within this time. */
const BURST_MS = 50

/** Listens to the pools and tells the time line, in sentences, what they see and do. */
export class Narrator {
  /** Every hold that has ended. */
  readonly holds: Hold[] = []
  readonly #board: Scoreboard
  readonly #labels: ReadonlyMap<string, string>
  #before: TopologySnapshot
  #burst = { calls: 0, node: '' }
  #burstTimer: NodeJS.Timeout | undefined

  /** `primary` is the failover pool and `db` the routing pool above it. */
  constructor(board: Scoreboard, snapshot: TopologySnapshot, primary: Pool, db: Pool) {
    this.#board = board
    this.#before = snapshot
    this.#labels = new Map(snapshot.nodes.map((node) => [node.id, labelOf(node)]))
    primary.on('topology', (event) => this.#topology(event.snapshot))
    primary.on('hold', () => this.#hold())
    primary.on('resume', (event) => this.#resume(event))
    primary.on('in-doubt', (event) => this.#inDoubt(event.node))
    primary.on('fenced', ({ node, timeline, highest }) =>
      this.#alarm(
        `${this.#label(node)} claims to be primary on timeline ${timeline}; shut out, ${highest} was seen`,
      ),
    )
    primary.on('split-brain', ({ nodes, timeline }) =>
      this.#alarm(`${nodes.join(' and ')} both claim to be primary on timeline ${timeline}`),
    )
    primary.on('foreign', ({ node }) =>
      this.#alarm(`${this.#label(node)} belongs to another cluster`),
    )
    primary.on('error', () => {
      board.poolErrors += 1
    })
    db.on('ejected', (event) => this.#ejected(event))
    db.on('admitted', (event) => this.#admitted(event))
  }

  /** Tells what is still to be told. */
  stop(): void {
    clearTimeout(this.#burstTimer)
    this.#tellBurst()
  }

  #topology(snapshot: TopologySnapshot): void {
    const before = this.#before
    this.#before = snapshot
    for (const sentence of changes(before, snapshot)) this.#board.tell('pool', sentence)
  }

  #hold(): void {
    this.#board.holding = true
    this.#board.tell(
      'pool',
      this.#before.timeline === undefined
        ? 'the primary is not known yet: calls wait'
        : 'there is no primary: writes are held from now on',
    )
  }

  #resume({ held, heldMs }: ResumeEvent): void {
    this.#board.holding = false
    this.holds.push({ calls: held, ms: heldMs })
    const first = `held for ${Math.round(heldMs)} ms`
    this.#board.tell(
      'pool',
      held === 1 ? `1 call goes on, ${first}` : `${held} calls go on, the first ${first}`,
    )
  }

  #inDoubt(node: string): void {
    this.#burst = { calls: this.#burst.calls + 1, node }
    this.#burstTimer ??= setTimeout(() => this.#tellBurst(), BURST_MS)
  }

  #tellBurst(): void {
    const { calls, node } = this.#burst
    this.#burst = { calls: 0, node: '' }
    this.#burstTimer = undefined
    if (calls === 0) return
    const subject = calls === 1 ? '1 write was' : `${calls} writes were`
    this.#board.tell('pool', `${subject} under way to ${this.#label(node)}: in doubt, not re-sent`)
  }

  #ejected({ node, reason, forMs }: EjectedEvent): void {
    const again = `tried again in ${Math.round(forMs)} ms`
    this.#board.tell('pool', `reads leave ${this.#label(node)}: ${shortened(reason)}; ${again}`)
  }

  #admitted({ node, reason }: AdmittedEvent): void {
    this.#board.tell('pool', `reads come back to ${this.#label(node)}: ${reason}`)
  }

  #alarm(text: string): void {
    this.#board.tell('alarm', text)
  }

  #label(id: string): string {
    return this.#labels.get(id) ?? id
  }
}

/**
 * What differs between two views of the nodes, as sentences; how far the replicas are behind does
 * not count.
 */
export function changes(before: TopologySnapshot, after: TopologySnapshot): string[] {
  const states = new Map(before.nodes.map((node) => [node.id, node.state]))
  return after.nodes
    .filter((node) => node.state !== states.get(node.id))
    .map((node) => `${labelOf(node)} ${sentenceAbout(node, before.timeline, after.timeline)}`)
}

function sentenceAbout(
  { state, reason }: TopologyNode,
  timelineBefore: number | undefined,
  timeline: number | undefined,
): string {
  switch (state) {
    case 'primary':
      return timelineBefore === undefined || timelineBefore === timeline
        ? `is the primary, on timeline ${timeline}`
        : `is the primary now: timeline ${timelineBefore} → ${timeline}`
    case 'replica':
      return 'is a replica'
    case 'primary-read-only':
    case 'unknown':
    case 'starting':
    case 'unreachable':
    case 'fenced':
    case 'foreign':
    case 'diverged':
    case 'draining':
      return `is ${state}: ${shortened(reason)}`
  }
}

/** What failed, without the advice that follows. */
function shortened(reason: string): string {
  return reason.split(';', 1)[0] ?? reason
}
