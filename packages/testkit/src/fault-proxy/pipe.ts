import type { Socket } from 'node:net'
import type { LineConditions } from './line-conditions.js'

/** The source is paused while more than this waits on the line, in bytes. */
const HIGH_WATER_BYTES = 1024 * 1024
/** Longest piece written at once under a bandwidth limit, as a share of a second. */
const SLICE_SECONDS = 0.02

type Item = { dueAt: number } & (
  | { readonly kind: 'bytes'; bytes: Buffer }
  | { readonly kind: 'act'; readonly act: () => void; readonly quietMs: number }
)

/**
 * One direction of one connection: a queue between two sockets that releases each piece when it is
 * due. Everything goes through the one queue, the end of the stream too, so nothing can overtake
 * anything.
 */
export class Pipe {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #line: LineConditions
  #queue: Item[] = []
  #queuedBytes = 0
  /** When the bandwidth limit lets the next byte out. */
  #freeAt = 0
  /** When bytes were written last. */
  #writtenAt = 0
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #blocked = false
  /**
   * Writes that the socket has not handed to the kernel. An act waits for them: a reset would throw
   * them away.
   */
  #unwritten = 0
  #closed = false
  /** Whether anything that was pushed never came out. */
  lossy = false
  /** Bytes of this connection are swallowed, whatever the line does. */
  hung = false
  /** Bytes of this connection are swallowed, and so is the end of its source. */
  forgotten = false

  constructor(source: Socket, sink: Socket, line: LineConditions) {
    this.#source = source
    this.#sink = sink
    this.#line = line
    const unblock = (): void => {
      this.#blocked = false
      this.#pump()
    }
    sink.on('drain', unblock)
    sink.on('close', unblock)
  }

  push(bytes: Buffer): void {
    if (this.#closed || bytes.length === 0) return
    if (this.hung || this.forgotten || this.#line.blackHole || this.#line.swallow) {
      this.lossy = true
      return
    }
    this.#queuedBytes += bytes.length
    this.#queue.push({ kind: 'bytes', bytes, dueAt: this.#dueAt() })
    this.#pump()
  }

  /**
   * Runs `act` once everything pushed before has been written and the line has then been quiet for
   * `quietMs` milliseconds. It is lost in a black hole, as a FIN would be.
   */
  after(act: () => void, quietMs = 0): void {
    if (this.#closed) return
    if (this.forgotten || this.#line.blackHole) {
      this.lossy = true
      return
    }
    this.#queue.push({ kind: 'act', act, quietMs, dueAt: this.#dueAt() })
    this.#pump()
  }

  /** What waits on the line is swallowed: a black hole has opened. */
  lose(): void {
    if (this.#queue.length > 0) this.lossy = true
    this.#clear()
  }

  /** Releases at once what waits for its time. */
  hurry(): void {
    for (const item of this.#queue) item.dueAt = 0
    this.#freeAt = 0
    this.#pump()
  }

  /** Drops what waits and takes nothing more. */
  close(): void {
    this.#closed = true
    this.#clear()
  }

  #dueAt(): number {
    const { delayMs, jitterMs, random } = this.#line
    const jitter = jitterMs > 0 ? random() * jitterMs : 0
    return delayMs + jitter > 0 ? performance.now() + delayMs + jitter : 0
  }

  #pump(): void {
    this.#stopWaiting()
    this.#sink.cork()
    for (let item = this.#queue[0]; item && !this.#blocked; item = this.#queue[0]) {
      const limited = item.kind === 'bytes' && this.#line.bytesPerSecond < Number.POSITIVE_INFINITY
      const waitMs = Math.max(item.dueAt, this.#freeFor(item, limited)) - performance.now()
      if (waitMs > 0) {
        this.#pumpIn(Math.ceil(waitMs))
        break
      }
      if (item.kind === 'bytes') this.#write(item, limited)
      else if (this.#unwritten > 0) break
      else {
        this.#queue.shift()
        item.act()
      }
    }
    this.#sink.uncork()
    this.#balance()
  }

  #freeFor(item: Item, limited: boolean): number {
    if (item.kind === 'act') return item.quietMs > 0 ? this.#writtenAt + item.quietMs : 0
    return limited ? this.#freeAt : 0
  }

  #pumpIn(waitMs: number): void {
    this.#timer = setTimeout(() => {
      // A late timer must not beat what the other end has yet to read when both share this event
      // loop.
      this.#immediate = setImmediate(() => this.#pump())
    }, waitMs)
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    this.#timer = undefined
    this.#immediate = undefined
  }

  #write(item: { bytes: Buffer }, limited: boolean): void {
    let piece = item.bytes
    if (limited) {
      const rate = this.#line.bytesPerSecond
      piece = piece.subarray(0, Math.max(1, Math.floor(rate * SLICE_SECONDS)))
      this.#freeAt = Math.max(this.#freeAt, performance.now()) + (piece.length / rate) * 1000
    }
    if (piece.length === item.bytes.length) this.#queue.shift()
    else item.bytes = item.bytes.subarray(piece.length)
    this.#queuedBytes -= piece.length
    if (this.#sink.destroyed || this.#sink.writableEnded) return
    this.#writtenAt = performance.now()
    this.#unwritten += 1
    this.#blocked = !this.#sink.write(piece, () => {
      this.#unwritten -= 1
      if (this.#unwritten === 0 && this.#queue[0]?.kind === 'act') this.#pump()
    })
  }

  #balance(): void {
    if (this.#source.destroyed) return
    if (this.#queuedBytes > HIGH_WATER_BYTES) this.#source.pause()
    else if (this.#source.isPaused()) this.#source.resume()
  }

  #clear(): void {
    this.#stopWaiting()
    this.#queue = []
    this.#queuedBytes = 0
    this.#balance()
  }
}
