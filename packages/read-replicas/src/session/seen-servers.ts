import type { NodeSampler } from '../position/node-sampler.js'
import type { Position } from '../position/position.js'
import type { SessionToken } from '../position/session-token.js'
import type { Positions } from './positions.js'

/** A server that has shown something whose position is not known yet. */
interface Seen {
  readonly sampler: NodeSampler
  readonly incarnation: number
  /** When it last did; `-Infinity` while only work that is still open may show something. */
  at: number
  /** Leases and calls that may show more at any time. */
  open: number
}

/**
 * The servers that have shown a session something whose position is not known yet. Once a server
 * has told a later position of the same life, the session knows what it has seen there.
 */
export class SeenServers {
  readonly #positions: Positions
  readonly #servers = new Map<NodeSampler, Seen>()

  /** Takes the positions of the session's pool. */
  constructor(positions: Positions) {
    this.#positions = positions
  }

  /** Whether every position is known. */
  get isEmpty(): boolean {
    return this.#servers.size === 0
  }

  /** Whether a server has shown something already. */
  get hasShown(): boolean {
    for (const { at } of this.#servers.values()) if (at > Number.NEGATIVE_INFINITY) return true
    return false
  }

  /** Whether this server, in its present life, has shown everything that is noted here. */
  isOnly(sampler: NodeSampler): boolean {
    const seen = this.#servers.get(sampler)
    if (seen === undefined) return this.#servers.size === 0
    return this.#servers.size === 1 && seen.incarnation === sampler.incarnation
  }

  /** The server has answered a read of one statement. */
  note(sampler: NodeSampler, at: number): void {
    this.#seenOn(sampler).at = at
  }

  /** Work that may show anything begins on the server. The returned function ends it, once. */
  begin(sampler: NodeSampler, now: () => number): () => void {
    const seen = this.#seenOn(sampler)
    seen.open++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      seen.open--
      seen.at = Math.max(seen.at, now())
    }
  }

  /**
   * Calls `found` with each position that samples have told since, and forgets its server. Asks no
   * server.
   */
  settleKnown(found: (token: SessionToken) => void): void {
    for (const seen of this.#servers.values()) {
      if (!isAnswered(seen)) continue
      const token = this.#positions.tokenAt(seen.sampler, seen.sampler.position!)
      if (token === undefined) continue
      found(token)
      this.#servers.delete(seen.sampler)
    }
  }

  /**
   * Asks each server for its position, and calls `found` with it. The position of the primary
   * stands in for that of a server that cannot tell. `lost` is called if the primary cannot either.
   */
  async settle(found: (token: SessionToken) => void, lost: () => void): Promise<void> {
    await Promise.all([...this.#servers.values()].map((seen) => this.#settle(seen, found, lost)))
  }

  async #settle(seen: Seen, found: (token: SessionToken) => void, lost: () => void): Promise<void> {
    const { sampler, at } = seen
    const positions = this.#positions
    try {
      if (sampler.incarnation !== seen.incarnation) throw new Error('it may have been restarted')
      const position = isAnswered(seen) ? sampler.position! : await sampler.poll()
      if (sampler.incarnation !== seen.incarnation) throw new Error('it may have been restarted')
      const token = positions.tokenAt(sampler, position)
      if (token === undefined) throw new Error('its history is not known')
      found(token)
    } catch {
      // Whatever it has shown came from the primary.
      try {
        found(positions.history.tokenOf(await positions.askPrimary()))
      } catch {
        lost()
      }
    }
    if (seen.open === 0 && seen.at === at) this.#servers.delete(sampler)
  }

  /**
   * Forgets the servers whose reads are covered by a position of the primary. What a server on the
   * primary's timeline had shown before the primary was asked came from the primary. What a server
   * on a former timeline has shown may be what a failover has lost.
   */
  forgetBefore(position: Position): void {
    for (const { sampler, at, open } of this.#servers.values()) {
      const isOver = open === 0 && at < position.sentAt
      const { history } = this.#positions
      if (isOver && history.isOfOneHistory(sampler, position)) this.#servers.delete(sampler)
    }
  }

  #seenOn(sampler: NodeSampler): Seen {
    let seen = this.#servers.get(sampler)
    if (seen === undefined) {
      seen = { sampler, incarnation: sampler.incarnation, at: Number.NEGATIVE_INFINITY, open: 0 }
      this.#servers.set(sampler, seen)
    }
    return seen
  }
}

/** Whether the server has told a position that it had after everything that it has shown. */
function isAnswered({ sampler, incarnation, at, open }: Seen): boolean {
  const { position } = sampler
  return (
    open === 0 &&
    sampler.incarnation === incarnation &&
    position !== undefined &&
    position.sentAt > at
  )
}
