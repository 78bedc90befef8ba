import type { Pool } from '@poolhouse/core'
import {
  hasCondition,
  isAnswer,
  LagRing,
  leadsElsewhere,
  messageOf,
  primarySampleOf,
  type Standing,
} from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { isRefusal } from '../base/read-failure.js'
import type { History } from '../position/history.js'
import { NodeSampler } from '../position/node-sampler.js'
import type { SampleFacts } from '../position/sample-statement.js'
import type { ReplicaNode } from './replica-node.js'

/** The standing of a server that has another history than the primary. */
type StrayStanding = Extract<Standing, { kind: 'diverged' | 'foreign' }>

/** What the lag monitor reports to the pool that it belongs to. */
export interface LagListener {
  /** What is known of a node has changed. */
  changed(): void
  /** A replica has answered. */
  answered(node: ReplicaNode): void
  /**
   * A replica turned out not to follow the primary: it has another history, or belongs to another
   * cluster.
   */
  strayed(node: ReplicaNode, standing: StrayStanding, facts: SampleFacts): void
  /** It cannot be told how far a replica is behind. */
  unidentified(node: ReplicaNode, reason: string): void
  /** A replica did not answer. `dead` says that no other question to it will be answered either. */
  failed(node: ReplicaNode, error: unknown, dead: boolean): void
}

const SLOWEST_MS = 1_000
const FASTEST_MS = 50
// Five samples within the bound: one may be lost and the next one late, and a fresh replica still
// does not look stale.
const SAMPLES_PER_BOUND = 5
// A replica that lacks a little of what the primary said first is asked again after half the time
// that it has been unknown. Most have caught up after a round trip; the longer one takes, the less
// often it is asked.
const UNKNOWN_LEAST_MS = 10
const UNKNOWN_SHARE = 0.5
const JITTER = 0.2
// A server that refuses connections is down. A silent one may only be slow, unless it misses this
// many samples in a row.
const SILENT_SAMPLES = 3
const DOUBT_INTERVAL_MS = 250
const BEHIND_POOLER =
  'a pooler stands in front of it, so the server that answers a read may not be the one that was asked for its position'

/**
 * Knows how fresh plain replica pools are: samples the primary and each replica in the background,
 * and compares their positions in client time. No replica counts as fresh before the first samples.
 */
export class LagMonitor {
  readonly #background: Background
  readonly #listener: LagListener
  // In the order in which they joined.
  readonly #nodes = new Set<ReplicaNode>()
  readonly #random: () => number
  readonly #intervalMs: number
  // Since when positions of the present primary can be compared; before its first sample, the
  // start.
  #since: number
  #source: string | undefined
  // Whether the primary has been silent for so long that it may have written anything.
  #isSilent = false
  readonly #ring = new LagRing()
  readonly #history: History
  // The last sample of each replica.
  readonly #said = new Map<ReplicaNode, { readonly facts: SampleFacts; readonly sentAt: number }>()

  /** The sampler of the primary. */
  readonly primary: NodeSampler

  /** Begins to sample at once. */
  constructor(
    primary: Pool,
    options: { maxStalenessMs: number; random: () => number },
    background: Background,
    history: History,
    listener: LagListener,
  ) {
    this.#background = background
    this.#history = history
    this.#listener = listener
    this.#random = options.random
    this.#intervalMs = intervalFor(options.maxStalenessMs)
    this.#since = background.now()
    this.primary = new NodeSampler(primary, background, {
      nextDelayMs: (failures) => this.#nextDelayMs(failures),
      sampled: (facts, sentAt) => this.#primarySampled(facts, sentAt),
      // Callers of the primary see its errors themselves. Here the replicas only grow older, and it
      // is no longer known how many bytes they lack.
      failed: (error, failures) => {
        if (isRefusal(error) || failures < SILENT_SAMPLES || this.#isSilent) return
        this.#isSilent = true
        for (const node of this.#nodes) node.bytesBehind = undefined
        listener.changed()
      },
    })
    this.primary.start()
  }

  /** Begins to watch a replica. */
  add(node: ReplicaNode): void {
    this.#nodes.add(node)
    node.sampler = new NodeSampler(node.pool, this.#background, {
      nextDelayMs: (failures) => this.#nextDelayMs(failures, node),
      sampled: (facts, sentAt) => this.#replicaSampled(node, facts, sentAt),
      failed: (error, failures) => this.#failed(node, error, failures),
    })
    node.sampler.start()
  }

  /** Watches a replica no more. */
  remove(node: ReplicaNode): void {
    this.#nodes.delete(node)
    this.forget(node)
    node.sampler?.stop()
  }

  /**
   * The replica's server was restarted and may be behind what it had replayed. It is asked at once,
   * over a new session.
   */
  restarted(node: ReplicaNode): void {
    this.#said.delete(node)
    node.freshAt = undefined
    node.bytesBehind = undefined
    const { sampler } = node
    if (sampler === undefined) return
    this.#history.forget(sampler)
    if (!sampler.watching) return
    sampler.giveUp('its server was restarted')
    sampler.start()
  }

  /** Forgets what the replica has said: another server answers in its place. */
  forget(node: ReplicaNode): void {
    this.#said.delete(node)
    if (node.sampler !== undefined) this.#history.forget(node.sampler)
    node.freshAt = undefined
    node.bytesBehind = undefined
    node.stray = undefined
    node.freshness = undefined
  }

  /** Stops sampling and closes the sessions. */
  stop(): void {
    this.primary.stop()
    for (const { sampler } of this.#nodes) sampler?.stop()
  }

  #failed(node: ReplicaNode, error: unknown, failures: number): void {
    node.failed = true
    if (isSecretive(error)) {
      const why = messageOf(error)
      this.#cannotTell(node, `it does not tell where its log is: ${why}`)
    }
    // A server that answers is alive, even if it refuses. So is one that new connections no longer
    // reach.
    const isSilent = failures >= SILENT_SAMPLES && !isAnswer(error) && !leadsElsewhere(error)
    this.#listener.failed(node, error, isRefusal(error) || isSilent)
    this.#listener.changed()
  }

  #cannotTell(node: ReplicaNode, reason: string): void {
    const isNews = node.unidentified === undefined
    this.forget(node)
    node.unidentified = reason
    node.freshness = reason
    if (isNews) this.#listener.unidentified(node, reason)
  }

  #primarySampled(facts: SampleFacts, sentAt: number): void {
    // A server in recovery says what it has replayed, which is not where the primary's log ends.
    if (facts.inRecovery || facts.lsn === undefined) return
    this.#isSilent = false
    this.#history.primarySaid(primarySampleOf(facts, facts.place, sentAt))
    const source = String(this.#history.present?.epoch)
    this.#ring.add(source, sentAt, facts.lsn)
    for (const node of this.#nodes) this.#compare(node)
    this.#listener.changed()
    if (source === this.#source) return
    this.#source = source
    this.#since = this.#background.now()
    // Replicas that were asked at the same time as the primary are usually a little behind its
    // first answer: ask them again at once.
    for (const node of this.#said.keys()) if (node.freshAt === undefined) node.sampler?.start()
  }

  #replicaSampled(node: ReplicaNode, facts: SampleFacts, sentAt: number): void {
    node.failed = false
    node.writable = !facts.inRecovery
    if (node.pool.pooler !== undefined) {
      this.#cannotTell(node, BEHIND_POOLER)
      this.#listener.answered(node)
      this.#listener.changed()
      return
    }
    node.unidentified = undefined
    this.#said.set(node, { facts, sentAt })
    this.#history.followerSaid(node.sampler!, facts, this.#background.now())
    this.#compare(node)
    // What only a later answer of the primary can prove does not wait for the next interval.
    if (this.#history.awaitsPrimary(node.sampler!)) this.primary.start()
    this.#listener.answered(node)
    this.#listener.changed()
  }

  /**
   * Compares the replica's last sample with the primary. Positions compare only within one history.
   */
  #compare(node: ReplicaNode): void {
    const said = this.#said.get(node)
    const standing = this.#history.standingOf(node.sampler!)
    if (said === undefined || standing === undefined) return
    const { facts, sentAt } = said
    const before = node.stray
    node.stray = strayOf(standing, facts)
    node.freshAt = undefined
    node.bytesBehind = undefined
    switch (standing.kind) {
      case 'itself':
        node.freshAt = sentAt
        node.bytesBehind = 0
        node.freshness = 'it is the primary itself'
        return
      case 'comparable':
        node.freshness = freshnessOf(facts)
        if (facts.lsn === undefined) return
        node.freshAt = this.#ring.reachedAt(facts.lsn)
        node.bytesBehind = this.#isSilent ? undefined : this.#ring.bytesBehind(facts.lsn)
        return
      case 'unknown':
        node.freshness = this.#history.present === undefined ? freshnessOf(facts) : standing.reason
        return
      default:
        node.freshness = undefined
        if (node.stray !== before) this.#listener.strayed(node, standing, facts)
    }
  }

  /** `node` is the replica; undefined for the primary. */
  #nextDelayMs(failures: number, node?: ReplicaNode): number {
    const jitter = 1 - JITTER + 2 * JITTER * this.#random()
    if (failures > 0 && failures < SILENT_SAMPLES) {
      return Math.min(DOUBT_INTERVAL_MS, this.#intervalMs) * jitter
    }
    const isUnknown =
      node?.stray === undefined && node?.freshAt === undefined && this.#said.has(node!)
    return (
      Math.min(this.#intervalMs, isUnknown ? this.#unknownDelayMs() : this.#intervalMs) * jitter
    )
  }

  #unknownDelayMs(): number {
    return Math.max(UNKNOWN_LEAST_MS, (this.#background.now() - this.#since) * UNKNOWN_SHARE)
  }
}

/** Why the server must not serve the primary's reads, however old their data may be. */
function strayOf(standing: Standing, { inRecovery }: SampleFacts): string | undefined {
  switch (standing.kind) {
    case 'diverged':
    case 'foreign':
      return `it is ${standing.kind}: ${standing.reason}`
    case 'unknown':
      return inRecovery ? undefined : standing.reason
    default:
      return undefined
  }
}

function freshnessOf({ replayPaused, receiving }: SampleFacts): string | undefined {
  if (replayPaused) return 'its replay is paused'
  return receiving === false ? 'it receives nothing: its WAL receiver does not run' : undefined
}

function intervalFor(maxStalenessMs: number): number {
  if (maxStalenessMs === 0) return SLOWEST_MS
  return Math.min(SLOWEST_MS, Math.max(FASTEST_MS, maxStalenessMs / SAMPLES_PER_BOUND))
}

/** Whether the server refuses to say where its log is, so that asking again is of no use. */
function isSecretive(error: unknown): boolean {
  return hasCondition(
    error,
    'feature_not_supported',
    'insufficient_privilege',
    'undefined_function',
  )
}
