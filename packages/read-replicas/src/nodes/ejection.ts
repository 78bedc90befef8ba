import type { ClockTimer } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import { blameOf } from '../base/read-failure.js'
import type { ReplicaNode } from './replica-node.js'
import type { ReplicaSet } from './replica-set.js'

/** What is remembered of a node that has failed. */
interface NodeRecord {
  /** Failures in a row: of reads that ejected it, and of probes since. */
  failures: number
  /** When it was admitted last. */
  admittedAt: number
  /** When it last answered a probe. */
  answeredAt: number
  timer: ClockTimer | undefined
  probing: boolean
}

const BASE_MS = 1_000
const MOST_MS = 30_000
const PROBE_TIMEOUT_MS = 1_000
// A node that has worked for as long as the longest ejection starts over with the shortest.
const FORGIVEN_AFTER_MS = MOST_MS
// A node that has just answered a probe is not probed again because it refuses a role or a
// database.
const CONTENT_MS = 5_000

/**
 * Ejects replicas whose connections fail, for one second and then twice as long each time, and
 * admits them again when they answer a probe. A failed read alone never ejects the last node that
 * fits: a probe decides.
 */
export class Ejection {
  readonly #set: ReplicaSet
  readonly #anotherFits: (node: ReplicaNode) => boolean
  readonly #background: Background
  readonly #random: () => number
  readonly #records = new Map<ReplicaNode, NodeRecord>()

  /** `anotherFits` says whether a node other than this one can serve reads. */
  constructor(
    set: ReplicaSet,
    anotherFits: (node: ReplicaNode) => boolean,
    background: Background,
    random: () => number,
  ) {
    this.#set = set
    this.#anotherFits = anotherFits
    this.#background = background
    this.#random = random
  }

  /**
   * Something failed on the node. `proven` says that other work is certain to fail there too.
   * Returns whether the failure counts against the node. A failure that concerns one role, one
   * database or one session does not eject it: a probe with the node's own pool decides.
   */
  failed(node: ReplicaNode, error: unknown, proven = false): boolean {
    const blame = proven ? 'node' : blameOf(error)
    switch (blame) {
      case 'none':
        return false
      case 'own':
        this.#questionUnlessWell(node)
        return false
      case 'ask':
        this.question(node)
        return true
      case 'node':
        if (node.ejected !== undefined) return true
        if (proven || this.#anotherFits(node)) this.#eject(node, messageOf(error), proven)
        else this.question(node)
        return true
    }
  }

  /** Probes the node because something may be wrong with it. */
  question(node: ReplicaNode): void {
    if (node.ejected === undefined) this.#probe(node)
  }

  /**
   * Like `question`, but not after a recent answer: a healthy node may refuse hundreds of tenants.
   */
  #questionUnlessWell(node: ReplicaNode): void {
    const { answeredAt } = this.#recordOf(node)
    if (this.#background.now() - answeredAt >= CONTENT_MS) this.question(node)
  }

  /** Admits a node that has been found well. */
  admit(node: ReplicaNode, reason: string): void {
    const record = this.#recordOf(node)
    record.timer?.cancel()
    node.returnedAt = this.#background.now()
    if (node.ejected === undefined) return
    node.ejected = undefined
    record.admittedAt = this.#background.now()
    this.#background.hub.emit('admitted', { pool: this.#background.name, node: node.node, reason })
    this.#set.touch()
  }

  /** Forgets a node that is gone for good. */
  forget(node: ReplicaNode): void {
    this.#records.get(node)?.timer?.cancel()
    this.#records.delete(node)
  }

  /** Cancels all timers. */
  stop(): void {
    for (const { timer } of this.#records.values()) timer?.cancel()
  }

  #eject(node: ReplicaNode, reason: string, proven: boolean): void {
    const record = this.#recordOf(node)
    if (this.#background.now() - record.admittedAt > FORGIVEN_AFTER_MS) record.failures = 0
    node.ejected = reason
    const forMs = this.#schedule(node, record)
    const { hub, name } = this.#background
    hub.emit('ejected', { pool: name, node: node.node, reason, forMs })
    this.#set.touch()
    // If no node is left, all reads would go to the primary until an ejection ends: probe the
    // ejected nodes at once.
    if (this.#anotherFits(node)) return
    for (const other of this.#set.nodes) {
      if (other.ejected !== undefined && !(proven && other === node)) this.#probe(other)
    }
  }

  #schedule(node: ReplicaNode, record: NodeRecord): number {
    const nominal = Math.min(MOST_MS, BASE_MS * 2 ** Math.min(record.failures, 30))
    const forMs = nominal * (0.5 + this.#random() / 2)
    record.failures++
    record.timer?.cancel()
    record.timer = this.#background.after(forMs, () => this.#probe(node))
    return forMs
  }

  #probe(node: ReplicaNode): void {
    const record = this.#recordOf(node)
    if (record.probing) return
    record.probing = true
    record.timer?.cancel()
    this.#background.run(async () => {
      let failure: unknown
      try {
        await this.#ask(node)
      } catch (error) {
        failure = error ?? new Error('it did not answer')
      }
      record.probing = false
      if (this.#background.stopped.aborted || this.#records.get(node) !== record) return
      if (failure === undefined) {
        record.answeredAt = this.#background.now()
        this.admit(node, 'it answered a probe')
      } else if (node.ejected === undefined) this.#eject(node, messageOf(failure), true)
      else this.#schedule(node, record)
    })
  }

  async #ask(node: ReplicaNode): Promise<void> {
    const { stopped } = this.#background
    const session = await node.pool.openSession({ timeoutMs: PROBE_TIMEOUT_MS, signal: stopped })
    try {
      await session.query('select 1', undefined, { timeoutMs: PROBE_TIMEOUT_MS })
    } finally {
      await session.close()
    }
  }

  #recordOf(node: ReplicaNode): NodeRecord {
    let record = this.#records.get(node)
    if (record === undefined) {
      record = {
        failures: 0,
        admittedAt: Number.NEGATIVE_INFINITY,
        answeredAt: Number.NEGATIVE_INFINITY,
        timer: undefined,
        probing: false,
      }
      this.#records.set(node, record)
    }
    return record
  }
}
