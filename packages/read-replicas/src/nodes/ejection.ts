import type { ClockTimer } from '@poolhouse/core'
import type { Background } from '../base/background.js'
import { blameOf } from '../base/read-failure.js'
import type { ReplicaNode } from './replica-node.js'
import type { ReplicaSet } from './replica-set.js'

/** What the ejection needs of the pool it belongs to. */
export interface EjectionHost {
  /** The nodes. */
  readonly set: ReplicaSet
  /** Whether a node other than this one can serve reads. */
  anotherFits(node: ReplicaNode): boolean
}

/** What is remembered of a node that has failed. */
interface Sentence {
  /** Failures in a row, of reads that shut it out and of probes since. */
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
// A node that has held for as long as the longest sentence begins anew.
const FORGIVEN_AFTER_MS = MOST_MS
// A node that has just answered is not asked again on the word of a role or a database that it
// refuses.
const CONTENT_MS = 5_000

/**
 * Shuts out replicas whose connections fail, one second and then twice as long each time, and lets
 * them in again when a probe gets an answer. The last node that fits is not shut out on the word of
 * a read: a probe decides.
 */
export class Ejection {
  readonly #host: EjectionHost
  readonly #background: Background
  readonly #random: () => number
  readonly #sentences = new Map<ReplicaNode, Sentence>()

  /** Begins with nobody shut out. */
  constructor(host: EjectionHost, background: Background, random: () => number) {
    this.#host = host
    this.#background = background
    this.#random = random
  }

  /**
   * Something failed on the node; `proven` if it is certain that others would fail too. Returns
   * whether that is held against it. What the node did to one role, one database or one session
   * shuts nobody else out of it: a probe by the node's own pool decides.
   */
  failed(node: ReplicaNode, error: unknown, proven = false): boolean {
    const blame = proven ? 'node' : blameOf(error)
    switch (blame) {
      case 'none':
        return false
      case 'own':
        this.#wonder(node)
        return false
      case 'ask':
        this.question(node)
        return true
      case 'node':
        if (node.ejected !== undefined) return true
        if (proven || this.#host.anotherFits(node)) this.#eject(node, messageOf(error), proven)
        else this.question(node)
        return true
    }
  }

  /** Something may be wrong with the node: a probe decides. */
  question(node: ReplicaNode): void {
    if (node.ejected === undefined) this.#probe(node)
  }

  /**
   * As `question`, but not again and again: hundreds of tenants may be refused by a node that is
   * well.
   */
  #wonder(node: ReplicaNode): void {
    const { answeredAt } = this.#sentenceOf(node)
    if (this.#background.now() - answeredAt >= CONTENT_MS) this.question(node)
  }

  /** Lets a node in on better evidence than a probe. */
  admit(node: ReplicaNode, reason: string): void {
    const sentence = this.#sentenceOf(node)
    sentence.timer?.cancel()
    node.returnedAt = this.#background.now()
    if (node.ejected === undefined) return
    node.ejected = undefined
    sentence.admittedAt = this.#background.now()
    this.#background.hub.emit('admitted', { pool: this.#background.name, node: node.node, reason })
    this.#host.set.touch()
  }

  /** The node is gone for good. */
  forget(node: ReplicaNode): void {
    this.#sentences.get(node)?.timer?.cancel()
    this.#sentences.delete(node)
  }

  /** Ends all timers. */
  stop(): void {
    for (const { timer } of this.#sentences.values()) timer?.cancel()
  }

  #eject(node: ReplicaNode, reason: string, proven: boolean): void {
    const sentence = this.#sentenceOf(node)
    if (this.#background.now() - sentence.admittedAt > FORGIVEN_AFTER_MS) sentence.failures = 0
    node.ejected = reason
    const forMs = this.#schedule(node, sentence)
    const { hub, name } = this.#background
    hub.emit('ejected', { pool: name, node: node.node, reason, forMs })
    this.#host.set.touch()
    // With nobody left, waiting out the sentences would leave all reads to the primary: see at once
    // who is back.
    if (this.#host.anotherFits(node)) return
    for (const other of this.#host.set.nodes) {
      if (other.ejected !== undefined && !(proven && other === node)) this.#probe(other)
    }
  }

  #schedule(node: ReplicaNode, sentence: Sentence): number {
    const nominal = Math.min(MOST_MS, BASE_MS * 2 ** Math.min(sentence.failures, 30))
    const forMs = nominal * (0.5 + this.#random() / 2)
    sentence.failures++
    sentence.timer?.cancel()
    sentence.timer = this.#background.after(forMs, () => this.#probe(node))
    return forMs
  }

  #probe(node: ReplicaNode): void {
    const sentence = this.#sentenceOf(node)
    if (sentence.probing) return
    sentence.probing = true
    sentence.timer?.cancel()
    this.#background.run(async () => {
      let failure: unknown
      try {
        await this.#ask(node)
      } catch (error) {
        failure = error ?? new Error('it did not answer')
      }
      sentence.probing = false
      if (this.#background.stopped.aborted || this.#sentences.get(node) !== sentence) return
      if (failure === undefined) {
        sentence.answeredAt = this.#background.now()
        this.admit(node, 'it answered a probe')
      } else if (node.ejected === undefined) this.#eject(node, messageOf(failure), true)
      else this.#schedule(node, sentence)
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

  #sentenceOf(node: ReplicaNode): Sentence {
    let sentence = this.#sentences.get(node)
    if (sentence === undefined) {
      sentence = {
        failures: 0,
        admittedAt: Number.NEGATIVE_INFINITY,
        answeredAt: Number.NEGATIVE_INFINITY,
        timer: undefined,
        probing: false,
      }
      this.#sentences.set(node, sentence)
    }
    return sentence
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
