import type { NodeState, Topology } from '@poolhouse/core'
import type { Call, History } from './history.js'
import { Meter } from './meter.js'

/**
 * Who tells: the drill what it does, the pools what they see, or either that something is wrong.
 */
export type Voice = 'drill' | 'pool' | 'alarm'

/** One sentence of the time line. */
export interface Entry {
  /** Milliseconds since the round began. */
  readonly at: number
  readonly voice: Voice
  readonly text: string
}

/** One server, as the pools see it. */
export interface NodeStatus {
  /** Name and port, for example `b:5433`. */
  readonly label: string
  readonly state: NodeState
  /**
   * How far it is behind, in milliseconds; undefined when it is no replica or that is not known.
   */
  readonly lagMs: number | undefined
  readonly writesPerSecond: number
  readonly readsPerSecond: number
  /** Open connections. */
  readonly connections: number
}

/** How one kind of call fares. */
export interface LoadStatus {
  readonly perSecond: number
  /** Calls a second in each of the last half seconds, oldest first. */
  readonly recent: readonly number[]
  readonly acknowledged: number
  /** Calls that wait for an answer now. */
  readonly waiting: number
  readonly inDoubt: number
  readonly failed: number
}

/** Everything that a view shows, at one moment. */
export interface Status {
  /** Milliseconds since the round began. */
  readonly at: number
  readonly phase: string
  readonly timeline: number | undefined
  readonly primary: string | undefined
  readonly nodes: readonly NodeStatus[]
  readonly writes: LoadStatus
  readonly reads: LoadStatus
  /** Writes that are held because there is no primary. */
  readonly held: number
  /** Failures in the background of the pools: connects refused, connections lost. */
  readonly poolErrors: number
}

/** What the board shows once the pools exist. */
export interface Subject {
  readonly topology: Topology
  readonly history: History
}

const RECENT_SPANS = 40
const RECENT_SPAN_MS = 500

class Tally {
  readonly meter = new Meter()
  acknowledged = 0
  inDoubt = 0
  failed = 0
}

/** The state of one round, for a view that shows it. */
export class Scoreboard {
  readonly round: number
  readonly rounds: number
  readonly entries: Entry[] = []
  /** What is going on, as a sentence. */
  phase = ''
  /** Whether the failover pool holds work. */
  holding = false
  poolErrors = 0
  readonly #startedAt = performance.now()
  readonly #tell: (entry: Entry) => void
  readonly #tallies = { write: new Tally(), read: new Tally() }
  readonly #nodeMeters = new Map<string, { write: Meter; read: Meter }>()
  #subject: Subject | undefined
  #watchedFrom = 0
  #frozen: Status | undefined

  /** `tell` gets each new sentence of the time line. */
  constructor(round: number, rounds: number, tell: (entry: Entry) => void) {
    this.round = round
    this.rounds = rounds
    this.#tell = tell
  }

  /** Shows these pools and calls from now on. */
  watch(subject: Subject): void {
    this.#subject = subject
    this.#watchedFrom = performance.now()
  }

  /** Adds a sentence to the time line. */
  tell(voice: Voice, text: string): void {
    const entry: Entry = { at: this.#now(), voice, text }
    this.entries.push(entry)
    this.#tell(entry)
  }

  /** Counts a call that has settled. */
  settled(kind: 'write' | 'read', { outcome }: Call): void {
    const tally = this.#tallies[kind]
    switch (outcome?.kind) {
      case undefined:
        break
      case 'acknowledged':
        tally.acknowledged += 1
        tally.meter.add(this.#watchedFor())
        if (outcome.node !== undefined) this.#nodeMeter(outcome.node)[kind].add(this.#watchedFor())
        break
      case 'failed':
        tally.failed += 1
        break
      case 'in-doubt':
        tally.inDoubt += 1
        break
    }
  }

  /** The load has ended: rates and nodes stay as they are now, while everything is taken down. */
  freeze(): void {
    this.#frozen = this.status()
  }

  /** What there is to show now. */
  status(): Status {
    if (this.#frozen !== undefined) return { ...this.#frozen, phase: this.phase }
    const snapshot = this.#subject?.topology.current
    const writes = this.#load('write')
    return {
      at: this.#now(),
      phase: this.phase,
      timeline: snapshot?.timeline,
      primary: snapshot?.primary && labelOf(snapshot.primary),
      nodes: (snapshot?.nodes ?? []).map((node) => ({
        label: labelOf(node),
        state: node.state,
        lagMs: node.lag?.ms,
        writesPerSecond: this.#nodeMeter(node.id).write.perSecond(this.#watchedFor()),
        readsPerSecond: this.#nodeMeter(node.id).read.perSecond(this.#watchedFor()),
        connections: node.pool.stats().total,
      })),
      writes,
      reads: this.#load('read'),
      held: this.holding ? writes.waiting : 0,
      poolErrors: this.poolErrors,
    }
  }

  #load(kind: 'write' | 'read'): LoadStatus {
    const { meter, acknowledged, inDoubt, failed } = this.#tallies[kind]
    return {
      perSecond: meter.perSecond(this.#watchedFor()),
      recent: meter.series(this.#watchedFor(), RECENT_SPANS, RECENT_SPAN_MS),
      acknowledged,
      waiting: this.#subject?.history.waiting(kind === 'write' ? 'writes' : 'reads') ?? 0,
      inDoubt,
      failed,
    }
  }

  #nodeMeter(id: string): { write: Meter; read: Meter } {
    let meters = this.#nodeMeters.get(id)
    if (meters === undefined) {
      meters = { write: new Meter(), read: new Meter() }
      this.#nodeMeters.set(id, meters)
    }
    return meters
  }

  /** Rates have no past before there are pools. */
  #watchedFor(): number {
    return performance.now() - this.#watchedFrom
  }

  #now(): number {
    return performance.now() - this.#startedAt
  }
}

/** Name and port of a node: `b:5433`. */
export function labelOf(node: { id: string; endpoint: { port: number } }): string {
  return `${node.id}:${node.endpoint.port}`
}
