import type { ClockTimer } from '@poolhouse/core'
import { unwatchSignal, watchSignal } from '@poolhouse/core/kit'
import type { Background } from '../base/background.js'
import type { ReplicaNode } from '../nodes/replica-node.js'
import type { LsnWait } from '../position/lsn-wait.js'
import type { SessionToken } from '../position/session-token.js'

/** What the waits need of `Positions`. */
export interface CatchUpHost {
  /** Asks the replica where it is, for calls that wait for these tokens. Never rejects. */
  look(node: ReplicaNode, tokens: readonly SessionToken[]): Promise<void>
  /** Where it was when it was last asked. */
  lsnOf(node: ReplicaNode): bigint | undefined
  /** Lets the replica's server report that it has reached a position; undefined if it cannot. */
  lsnWaitOf(node: ReplicaNode): LsnWait | undefined
  /** Whether the replica is certain to have replayed up to the token. */
  covers(node: ReplicaNode, token: SessionToken): boolean
}

interface Waiter {
  readonly token: SessionToken
  readonly deadline: number
  /** Ends the wait, with the replica that has caught up if there is one. */
  end(node: ReplicaNode | undefined): void
}

// The pause between two questions to a replica. A healthy replica replays a commit within a
// millisecond or two; one that does not move is asked less and less often.
const LEAST_PAUSE_MS = 2
const STILL_PAUSE_MS = 10
// On busy machines answers take long and the questions are part of the load: they take at most a
// seventh of the time.
const PAUSE_PER_LOOK = 6
const MOST_PAUSE_MS = 25
// How long one `WAIT FOR LSN` may take. After that the waiting reads may have given up, and another
// server may have taken the replica's place.
const SERVER_WAIT_MS = 100

/**
 * Reads that wait until a replica has caught up with what they must see. Each replica is asked one
 * question at a time, for all reads that wait for it. Servers from version 19 on report by
 * themselves; the others are polled.
 */
export class CatchUp {
  readonly #host: CatchUpHost
  readonly #background: Background
  readonly #watches = new Map<ReplicaNode, NodeWatch>()
  // In order of arrival, which is almost the order of their deadlines.
  readonly #waiters = new Set<Waiter>()
  #timer: ClockTimer | undefined
  #wakesAt = Number.POSITIVE_INFINITY

  /** Asks no server before the first wait. */
  constructor(host: CatchUpHost, background: Background) {
    this.#host = host
    this.#background = background
  }

  /**
   * Resolves with the first of the nodes that has replayed up to the token, or with undefined at
   * the deadline. Never rejects.
   */
  wait(
    nodes: readonly ReplicaNode[],
    token: SessionToken,
    deadline: number,
    signal?: AbortSignal,
  ): Promise<ReplicaNode | undefined> {
    const { stopped } = this.#background
    if (signal?.aborted || stopped.aborted || nodes.length === 0) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const onAbort = (): void => waiter.end(undefined)
      const waiter: Waiter = {
        token,
        deadline,
        end: (node) => {
          this.#waiters.delete(waiter)
          if (this.#waiters.size === 0) this.#timer?.keepAlive(false)
          unwatchSignal(signal, onAbort)
          for (const each of nodes) this.#watches.get(each)?.waiters.delete(waiter)
          resolve(node)
        },
      }
      this.#waiters.add(waiter)
      watchSignal(signal, onAbort)
      this.#wakeAt(deadline)
      for (const node of nodes) this.#watchOf(node).add(waiter)
    })
  }

  /** Ends every wait. */
  stop(): void {
    for (const waiter of this.#waiters) waiter.end(undefined)
    this.#timer?.cancel()
  }

  /**
   * One timer for all waits, replaced only for an earlier deadline. It keeps the process alive
   * while a read waits.
   */
  #wakeAt(time: number): void {
    if (this.#timer !== undefined) {
      this.#timer.keepAlive(true)
      if (this.#wakesAt <= time) return
      this.#timer.cancel()
    }
    this.#wakesAt = time
    const delayMs = Math.max(0, time - this.#background.now())
    this.#timer = this.#background.after(delayMs, () => this.#expire(), { keepAlive: true })
  }

  #expire(): void {
    this.#timer = undefined
    const now = this.#background.now()
    let next = Number.POSITIVE_INFINITY
    for (const waiter of this.#waiters) {
      if (waiter.deadline <= now) waiter.end(undefined)
      else next = Math.min(next, waiter.deadline)
    }
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(next)
  }

  #watchOf(node: ReplicaNode): NodeWatch {
    let watch = this.#watches.get(node)
    if (watch === undefined) {
      const gone = (): void => {
        this.#watches.delete(node)
      }
      watch = new NodeWatch(node, this.#host, this.#background, gone)
      this.#watches.set(node, watch)
    }
    return watch
  }
}

/** Polls one replica for as long as reads wait for it. */
class NodeWatch {
  /** The reads that wait for this replica. */
  readonly waiters = new Set<Waiter>()
  readonly #node: ReplicaNode
  readonly #host: CatchUpHost
  readonly #background: Background
  readonly #gone: () => void
  #watching = false
  // Whether the server is asked to report by itself. Then a new read must poll once: it may have
  // caught up already.
  #serverTells = false
  #pauseMs = LEAST_PAUSE_MS

  constructor(node: ReplicaNode, host: CatchUpHost, background: Background, gone: () => void) {
    this.#node = node
    this.#host = host
    this.#background = background
    this.#gone = gone
  }

  /** One more read waits for the replica. */
  add(waiter: Waiter): void {
    this.waiters.add(waiter)
    if (!this.#watching) {
      this.#watching = true
      this.#round()
    } else if (this.#serverTells) {
      this.#background.run(async () => {
        await this.#look()
      })
    }
  }

  #round(): void {
    if (this.waiters.size === 0) {
      this.#watching = false
      this.#gone()
      return
    }
    this.#background.run(async () => {
      const tookMs = await this.#look()
      if (await this.#wasTold()) await this.#look()
      const pauseMs = Math.min(MOST_PAUSE_MS, Math.max(this.#pauseMs, tookMs * PAUSE_PER_LOOK))
      this.#background.after(pauseMs, () => this.#round())
    })
  }

  /**
   * Asks the replica where it is, and ends the waits that this fulfils. Resolves with how long the
   * answer took, in milliseconds.
   */
  async #look(): Promise<number> {
    const before = this.#host.lsnOf(this.#node)
    const startedAt = this.#background.now()
    await this.#host.look(
      this.#node,
      [...this.waiters].map(({ token }) => token),
    )
    for (const waiter of this.waiters) {
      if (this.#host.covers(this.#node, waiter.token)) waiter.end(this.#node)
    }
    const moved = this.#host.lsnOf(this.#node) !== before
    this.#pauseMs = moved ? LEAST_PAUSE_MS : Math.min(STILL_PAUSE_MS, this.#pauseMs * 2)
    return this.#background.now() - startedAt
  }

  /**
   * Lets the server report, if it can, that it has reached the first position that a read waits
   * for. Resolves with whether the replica should be asked again at once.
   */
  async #wasTold(): Promise<boolean> {
    const wait = this.waiters.size === 0 ? undefined : this.#host.lsnWaitOf(this.#node)
    if (wait === undefined) return false
    let lsn: bigint | undefined
    for (const { token } of this.waiters) if (lsn === undefined || token.lsn < lsn) lsn = token.lsn
    this.#serverTells = true
    const result = await wait.until(lsn!, SERVER_WAIT_MS)
    this.#serverTells = false
    // Reached: the timeline must still be checked. Promoted: its history must be checked. Timeout:
    // nothing new.
    return result === 'reached' || result === 'promoted'
  }
}
