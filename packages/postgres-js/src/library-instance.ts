import type { ConnectionSettings, RawHolder } from '@poolhouse/core/kit'
import {
  admission,
  type LibraryClient,
  type LibraryLine,
  realTimers,
  toClosedError,
} from '@poolhouse/core/net'
import type { Instance, MakeInstance } from './instance.js'
import { lentSql } from './lent-sql.js'
import type { PostgresSql } from './postgres-module.js'
import { StandInSocket } from './stand-in-socket.js'

/**
 * The one-connection instance of postgres.js of a session, made when a borrower first asks for it.
 * It takes itself for connected some turns later; until then its queries wait in it.
 */
export class LibraryInstance implements LibraryClient {
  readonly #line: LibraryLine
  readonly #instance: Instance
  readonly #standIn: StandInSocket
  isStarted = false
  /** Whether its start-up message is behind. */
  #isAdmitted = false
  #isOver = false
  /** How often postgres.js was called. */
  #calls = 0
  /** Whether one of these may have left something that is written in the next turn. */
  #isWriting = false

  /** Makes the instance, and has it connect to the stand-in of its socket. */
  constructor(makeInstance: MakeInstance, settings: ConnectionSettings, line: LibraryLine) {
    const { host, port } = settings.endpoint
    this.#line = line
    this.#standIn = new StandInSocket(
      {
        isWritable: () => line.writable,
        write: (bytes, written) => this.#write(bytes, written),
        end: (reason) => line.end(toClosedError(new Error(reason))),
        pause: (paused) => line.pause(paused),
      },
      host,
      port,
    )
    let asked = false
    this.#instance = makeInstance({
      settings,
      types: line.types,
      socket: () => {
        // Sent at once, not when postgres.js writes some turns later, so that a reset can wait.
        if (asked) return StandInSocket.forCancel(line.cancel(), host, port)
        asked = true
        return this.#standIn
      },
    })
    // A reservation instead of a query, so that the log-in ends at the first ReadyForQuery.
    this.#instance.handler({
      reserve: noop,
      reject: (error: unknown) => line.end(toClosedError(error)),
    })
  }

  get raw(): PostgresSql {
    return this.#instance.sql
  }

  get mayWrite(): boolean {
    return !this.#isOver && (!this.isStarted || this.#isWriting)
  }

  lend(holder: RawHolder): unknown {
    return lentSql(this.raw, holder, () => this.#called())
  }

  take(messages: Buffer): void {
    this.#standIn.emit('data', messages)
    this.#called()
  }

  drained(): void {
    if (!this.#isAdmitted) return
    this.#standIn.emit('drain')
    this.#called()
  }

  restore(): void {}

  lose(reason: unknown): void {
    this.#isOver = true
    // A new error, because postgres.js changes it.
    if (this.#standIn.listenerCount('error') > 0) this.#standIn.emit('error', reason)
    this.#instance.dispose()
  }

  #write(bytes: Buffer, written: ((error?: Error | null) => void) | undefined): boolean {
    if (this.#isAdmitted) return this.#line.write(bytes, written)
    // The start-up message. Answered later, because postgres.js is in the middle of its write.
    realTimers.nextTick(() => this.#admit())
    if (written !== undefined) realTimers.nextTick(written)
    return true
  }

  /** postgres.js was called. What it writes then it writes in `setImmediate`. */
  #called(): void {
    this.#calls++
    if (this.#isWriting) return
    this.#isWriting = true
    this.#awaitWrites()
  }

  #awaitWrites(): void {
    const calls = this.#calls
    realTimers.setImmediate(() => {
      if (this.#calls !== calls) this.#awaitWrites()
      else {
        this.#isWriting = false
        this.#line.settled()
      }
    })
  }

  #admit(): void {
    if (this.#isOver) return
    const { info, key, status } = this.#line
    this.#isAdmitted = true
    this.#standIn.emit('data', admission(info.parameters, key, status))
    // After a reservation postgres.js waits for its release; this makes it look for work.
    this.#standIn.emit('drain')
    // It sends what waited in it in the next turn.
    this.#called()
    realTimers.setImmediate(() => {
      this.isStarted = true
      this.#line.settled()
    })
  }
}

function noop(): void {}
