import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext, TLSSocket } from 'node:tls'
import { type Frame, FrameReader, NotAFrameError } from '../protocol/frame-reader.js'
import { readOpening } from '../protocol/opening.js'
import { resetSocket } from '../protocol/reset-socket.js'
import type { Gate } from './gate.js'

/** Unwinds a session whose connection is gone. */
export class LinkClosedError extends Error {
  override name = 'LinkClosedError'
}

/**
 * The connection under a session: frames in, bytes out, both held back by the gate; waits end when
 * it closes.
 */
export class WireLink {
  /** What is read and written: the plain socket, or the encrypted one over it. */
  #socket: Socket
  readonly #plain: Socket
  readonly #gate: Gate
  readonly #onFrame: (frame: Frame) => void
  readonly #reader = new FrameReader()
  readonly #frames: Frame[] = []
  readonly #closing = new AbortController()
  /**
   * Aborted when no client waits for an answer any more: what was received is still served, waits
   * are not.
   */
  readonly #abandoned = new AbortController()
  readonly #closed: Promise<void>
  #wake: (() => void) | undefined
  #ended = false

  /** `onFrame` is called for each frame when it arrives, even while the gate is shut. */
  constructor(socket: Socket, gate: Gate, onFrame: (frame: Frame) => void) {
    this.#socket = socket
    this.#plain = socket
    this.#gate = gate
    this.#onFrame = onFrame
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()))
    this.#listen(socket)
  }

  /** Resolves when the socket is closed. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /** The next frame. Rejects with {@link LinkClosedError} when there will be none. */
  async receive(): Promise<Frame> {
    for (;;) {
      if (this.#gate.shut) await unless(this.#closing.signal, this.#gate.pass())
      this.#check()
      const frame = this.#frames.shift()
      if (frame) return frame
      if (this.#ended) throw new LinkClosedError('the client has ended the connection')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Sends when the gate is open. */
  async send(bytes: Buffer): Promise<void> {
    if (this.#gate.shut) await unless(this.#closing.signal, this.#gate.pass())
    this.#check()
    this.sendNow(bytes)
  }

  /** Sends whatever the gate says. */
  sendNow(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Waits; ends early with a rejection when the connection closes or `signal` aborts. */
  async wait(delayMs: number, signal: AbortSignal): Promise<void> {
    await sleep(delayMs, undefined, { signal: AbortSignal.any([signal, this.#abandoned.signal]) })
  }

  /** Never resolves; rejects when the client is gone. */
  hang(): Promise<never> {
    return unless(this.#abandoned.signal, new Promise<never>(() => {}))
  }

  /** Encrypts from here on. */
  encrypt(tls: { cert: string; key: string }): void {
    const plain = this.#plain
    for (const event of ['data', 'end', 'error']) plain.removeAllListeners(event)
    plain.on('error', () => this.#close())
    const secure = new TLSSocket(plain, { isServer: true, secureContext: createSecureContext(tls) })
    this.#socket = secure
    this.#listen(secure)
  }

  /** Ends the connection after what has been sent. */
  end(): void {
    this.#close()
    // A client that holds its own end open would keep the socket.
    this.#socket.destroySoon()
  }

  /** Resets the connection. */
  reset(): void {
    this.#close()
    resetSocket(this.#plain)
  }

  /** Closes the socket at once. */
  destroy(): void {
    this.#close()
    this.#socket.destroy()
    this.#plain.destroy()
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => {
      // PostgreSQL notices a client that left when it reads next; what was sent before is run.
      this.#ended = true
      this.#abandoned.abort()
      this.#wake?.()
    })
    socket.on('error', () => this.destroy())
    socket.on('close', () => this.#close())
  }

  #read(chunk: Buffer): void {
    this.#reader.push(chunk)
    try {
      for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) {
        if (frame.type === '' && readOpening(frame.body).kind === 'startup') this.#reader.typed()
        this.#frames.push(frame)
        this.#onFrame(frame)
      }
    } catch (error) {
      if (!(error instanceof NotAFrameError) && !(error instanceof RangeError)) throw error
      this.destroy()
      return
    }
    this.#wake?.()
  }

  #close(): void {
    this.#closing.abort()
    this.#abandoned.abort()
    this.#wake?.()
  }

  #check(): void {
    if (this.#closing.signal.aborted) throw new LinkClosedError('the connection is closed')
  }
}

/** The same promise, unless the signal aborts first. */
async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let onAbort: () => void = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new LinkClosedError('the connection is closed'))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
