import type { ConnectContext } from '@poolhouse/core/kit'
import { type TypeParsers, typeParsers } from '@poolhouse/core/types'
import type { Instance, MakeInstance } from './instance.js'
import { StandInSocket } from './stand-in-socket.js'

/** What an instance needs once the socket of its session is open. */
export interface OpenedLine {
  /** Takes the place of its socket. */
  readonly standIn: StandInSocket
  /** Sends a CancelRequest for postgres.js. */
  readonly cancel: () => Promise<void>
  /** Called if postgres.js gives up. */
  readonly fail: (error: unknown) => void
}

/**
 * The instance of a session whose socket is still being opened. postgres.js waits for a timer
 * before it asks for a socket; made early, the instance costs no time.
 */
export class InstanceStart {
  readonly instance: Instance
  /** Turns the texts of the server into values. */
  readonly types: TypeParsers
  readonly #host: string
  readonly #port: number
  #resolve!: (standIn: StandInSocket) => void
  #reject!: (error: unknown) => void
  #line: OpenedLine | undefined

  /** Makes the instance and has it ask for a socket. */
  constructor(makeInstance: MakeInstance, { settings, types = typeParsers() }: ConnectContext) {
    this.types = types
    this.#host = settings.endpoint.host
    this.#port = settings.endpoint.port
    const standIn = new Promise<StandInSocket>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Handled here, because postgres.js may have stopped to wait for it.
    standIn.catch(noop)
    let asked = false
    this.instance = makeInstance({
      settings,
      types,
      socket: () => {
        if (asked) return this.#forCancel()
        asked = true
        return standIn
      },
    })
    // A reservation instead of a query, so that the log-in ends at the first ReadyForQuery.
    this.instance.handler({ reserve: noop, reject: (error: unknown) => this.#line?.fail(error) })
  }

  /** Has postgres.js send its start-up message over the open socket. */
  goOn(line: OpenedLine): void {
    this.#line = line
    this.#resolve(line.standIn)
  }

  /** Disposes of the instance, because the socket could not be opened. */
  giveUp(error: unknown): void {
    this.#reject(error)
    this.instance.dispose()
  }

  #forCancel(): StandInSocket {
    // Sent at once, not when postgres.js writes some turns later, so that a reset can wait for it.
    const request = this.#line?.cancel() ?? Promise.resolve()
    return StandInSocket.forCancel(request, this.#host, this.#port)
  }
}

function noop(): void {}
