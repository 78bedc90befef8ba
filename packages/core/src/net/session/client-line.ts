import type { ConnectionInfo, RawHolder, TransactionStatus } from '../../api/driver.js'
import { messageOf } from '../../base/message-of.js'
import { realTimers } from '../../base/real-timers.js'
import { rethrowLater } from '../../base/rethrow-later.js'
import { PoolhouseError } from '../../outcome/poolhouse-error.js'
import type { TypeParsers } from '../../types/type-parsers.js'
import type { CancelKey } from '../frames/frame-bodies.js'
import { FROM_SERVER } from '../frames/messages.js'
import { SentSeries } from '../frames/sent-series.js'
import { SentTexts } from '../frames/sent-texts.js'
import type { ServerSocket } from '../socket/server-socket.js'
import type { SessionStatements } from '../statements/session-statements.js'
import { tagOf } from '../work/wire-work.js'
import type { LibraryClient, LibraryLine } from './library.js'
import { MessageRelay } from './message-relay.js'

/** The session, as the line of its client uses it. */
export interface LineHost {
  /** The socket to the server. */
  readonly socket: ServerSocket
  /** Makes values of the server's texts. */
  readonly types: TypeParsers
  /** Process id and parameters. */
  readonly info: ConnectionInfo
  /** With which to cancel; undefined if the server gave none. */
  readonly key: CancelKey | undefined
  /** As the last ReadyForQuery said. */
  status(): TransactionStatus
  /** Whether the session has ended. */
  isOver(): boolean
  /** Whether the server answers work of the pool. */
  isBusy(): boolean
  /** Work of the pool that waits for the client may have its turn. */
  quiet(): void
  /** Stops reading from the socket for the client, or goes on. */
  pause(paused: boolean): void
  /** The server takes the data of a COPY from the client. */
  copying(): void
  /** Ends the session. */
  failed(reason: Error): void
  /** Asks the server to cancel what runs. */
  cancel(timeoutMs: number): Promise<void>
  /** The client sends a statement with this text. */
  rawSends(text: string): void
}

type Written = (error?: Error | null) => void

interface HeldBytes {
  readonly bytes: Uint8Array
  readonly written: Written | undefined
}

// Longest time for a cancel request of the client.
const CANCEL_TIMEOUT_MS = 10_000
// With as much held back the client is asked to pause.
const MOST_HELD = 65_536

/**
 * The way of a lent client to the server. It reads along in both directions, so that the session
 * knows what was sent and what is still to be answered; what the client sends while the server
 * answers work of the pool is held back.
 */
export class ClientLine implements LibraryLine {
  /** The client; set by the session at once. */
  client!: LibraryClient
  readonly #host: LineHost
  readonly #series = new SentSeries()
  readonly #texts = new SentTexts()
  readonly #relay = new MessageRelay((messages) => this.#give(messages))
  #held: HeldBytes[] = []
  #heldBytes = 0
  #holder: RawHolder | undefined
  /** Whether the running command has returned columns or rows. */
  #hasRows = false
  /** Whether the server takes the data of a COPY from the client, who alone can end it. */
  isCopying = false
  /** Whether the client is being told of the end of an answer, and may send what waits in it. */
  #isAnswering = false
  readonly #cancels = new Set<Promise<void>>()

  /** Begins with nothing sent. */
  constructor(host: LineHost) {
    this.#host = host
  }

  get socket(): ServerSocket {
    return this.#host.socket
  }

  get types(): TypeParsers {
    return this.#host.types
  }

  get info(): ConnectionInfo {
    return this.#host.info
  }

  get key(): CancelKey | undefined {
    return this.#host.key
  }

  get status(): TransactionStatus {
    return this.#host.status()
  }

  get writable(): boolean {
    return !this.#host.isOver() && this.#host.socket.stream.writable
  }

  /** Whether the server owes the client an answer, or something of it is held back. */
  get isOwed(): boolean {
    return !this.#series.quiet || this.#held.length > 0
  }

  /** Whether the client is owed something, or may still send what waits in it. */
  get busy(): boolean {
    return this.isOwed || !this.client.isStarted
  }

  /** Whether the server owes the client nothing. */
  get isAnswered(): boolean {
    return this.#series.quiet
  }

  /** Whether the work of the pool has to wait for the client. */
  get hasTurn(): boolean {
    return this.isOwed || this.client.mayWrite
  }

  /** Lends the client to a borrower, who is the holder from now on. */
  lend(holder: RawHolder): unknown {
    this.#holder = holder
    return this.client.lend(holder)
  }

  write(bytes: Uint8Array, written?: Written): boolean {
    if (!this.writable) {
      const error = sessionOver('it is over')
      if (written !== undefined) realTimers.nextTick(written, error)
      // Ends what is started on the client now.
      realTimers.nextTick(() => this.client.lose(error))
      return false
    }
    if (!this.#admits(bytes)) return false
    if (this.#host.isBusy() || this.#held.length > 0) {
      this.#held.push({ bytes, written })
      this.#heldBytes += bytes.length
      return this.#heldBytes < MOST_HELD
    }
    return this.#send(bytes, written)
  }

  pause(paused: boolean): void {
    // Only while it is owed an answer: what the server answers the pool must be read.
    if (!paused || !this.#series.quiet) this.#host.pause(paused)
  }

  settled(): void {
    this.#host.quiet()
  }

  async cancel(): Promise<void> {
    // After the lease the request would hit the statement of another borrower.
    if (this.#holder?.refusal() !== undefined) return
    const request = this.#host.cancel(CANCEL_TIMEOUT_MS)
    this.#cancels.add(request)
    try {
      await request
    } finally {
      this.#cancels.delete(request)
    }
  }

  end(reason: Error): void {
    if (!this.#host.isOver()) this.#host.failed(reason)
  }

  // ── for the session ──

  /** The server's work for the pool is done: sends what was held back. */
  goOn(): void {
    const held = this.#held
    if (held.length === 0 || !this.writable) return
    this.#held = []
    this.#heldBytes = 0
    for (const { bytes, written } of held) this.#send(bytes, written)
    this.client.drained()
    // Nothing answers the late data of a COPY.
    this.settled()
  }

  /** Passes on a message that may come at any time. */
  pass(buffer: Buffer, from: number, to: number): void {
    this.#relay.pass(buffer, from, to)
  }

  /** Passes on an ErrorResponse. */
  refuse(buffer: Buffer, from: number, to: number): void {
    this.#hasRows = false
    this.isCopying = false
    this.#relay.pass(buffer, from, to)
  }

  /** Passes on a message that answers the client. */
  answer(
    kind: number,
    buffer: Buffer,
    from: number,
    to: number,
    prepared: SessionStatements,
  ): void {
    if (kind === FROM_SERVER.rowDescription || kind === FROM_SERVER.dataRow) this.#hasRows = true
    if (kind === FROM_SERVER.copyInResponse) {
      this.isCopying = true
      this.#host.copying()
    }
    if (kind === FROM_SERVER.commandComplete) {
      const tag = tagOf(buffer, from, to)
      // A known statement may not have been described, so that an empty result shows no columns.
      prepared.completed(tag, this.#hasRows || tag === 'SELECT 0', false)
      this.#hasRows = false
      this.isCopying = false
    }
    this.#relay.pass(buffer, from, to)
  }

  /** Passes on a ReadyForQuery that answers the client. */
  ready(buffer: Buffer, from: number, to: number): void {
    this.#series.answered()
    this.isCopying = false
    this.#hasRows = false
    this.#relay.pass(buffer, from, to)
    this.#isAnswering = true
    this.#relay.flush()
    this.#isAnswering = false
    if (!this.#series.quiet) return
    // The whole answer has come, whether the borrower reads it or not.
    this.#host.pause(false)
    this.#host.quiet()
  }

  /** Hands over what was passed on. */
  flush(): void {
    this.#relay.flush()
  }

  /** The socket has room again. */
  drained(): void {
    if (this.#held.length === 0) this.client.drained()
  }

  /** Takes back what the borrower has left; resolves when no cancel of theirs is under way. */
  async restore(): Promise<void> {
    this.client.restore()
    while (this.#cancels.size > 0) await Promise.allSettled(this.#cancels)
  }

  /** The session is over. */
  lose(reason: unknown): void {
    const held = this.#held
    this.#held = []
    for (const { written } of held) written?.(sessionOver(reason))
    this.client.lose(sessionOver(reason))
  }

  #give(messages: Buffer): void {
    try {
      this.client.take(messages)
    } catch (error) {
      // By a listener or a callback of the borrower, in the middle of the client's parser.
      rethrowLater(error)
      this.#host.failed(new PoolhouseError('a callback on its raw client has thrown'))
    }
  }

  #send(bytes: Uint8Array, written: Written | undefined): boolean {
    this.#series.sent(bytes)
    return this.#host.socket.stream.write(bytes, written)
  }

  /** Whether bytes may be sent: during a lease, with the texts reported, or for running work. */
  #admits(bytes: Uint8Array): boolean {
    const holder = this.#holder
    if (holder?.refusal() !== undefined && !this.hasTurn && !this.#isAnswering) {
      this.#host.failed(new PoolhouseError('its raw client was used after its lease was over'))
      return false
    }
    // Also of what was begun before the lease was over.
    this.#texts.take(bytes, (text) => {
      holder?.sends(text)
      if (holder !== undefined) this.#host.rawSends(text)
    })
    return true
  }
}

/** The error of what is still under way on the client when the session ends. */
function sessionOver(reason: unknown): Error {
  const why = messageOf(reason)
  return Object.assign(new Error(`the session is over: ${why}`), { code: 'CONNECTION_CLOSED' })
}

/** The error of work that cannot be sent while the client has a COPY open. */
export function copyInProgress(): PoolhouseError {
  return new PoolhouseError(
    'the statement was not sent: the raw client of the session is in the middle of a COPY; end that first',
    { executed: 'no' },
  )
}
