import type { ConnectContext } from '@poolhouse/core/kit'
import { type TypeParsers, typeParsers } from '@poolhouse/core/types'
import type { Instance, MakeInstance } from './instance.js'
import { StandInSocket } from './stand-in-socket.js'

/** What an instance needs to go on once the socket of its session is open. */
export interface OpenedLine {
  /** What it takes for its socket. */
  readonly standIn: StandInSocket
  /** Sends a CancelRequest, which postgres.js wants. */
  readonly cancel: () => Promise<void>
  /** Hears if postgres.js gives up. */
  readonly fail: (error: unknown) => void
}

/**
 * The instance of a session whose socket is still being opened. postgres.js waits for a timer
 * before it asks for a socket, which is over by the time that there is one.
 */
export class InstanceStart {
  readonly instance: Instance
  /** Makes values of the texts that the server sends. */
  readonly types: TypeParsers
  readonly #host: string
  readonly #port: number
  #resolve!: (standIn: StandInSocket) => void
  #reject!: (error: unknown) => void
  #line: OpenedLine | undefined

  /** Makes the instance and has it begin. */
  constructor(makeInstance: MakeInstance, { settings, types = typeParsers() }: ConnectContext) {
    this.types = types
    this.#host = settings.endpoint.host
    this.#port = settings.endpoint.port
    const standIn = new Promise<StandInSocket>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Nobody may ask for it any more.
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
    // A reservation, not a query, so that the log-in ends at the first ReadyForQuery.
    this.instance.handler({ reserve: noop, reject: (error: unknown) => this.#line?.fail(error) })
  }

  /** The socket is open: postgres.js sends its start-up message. */
  goOn(line: OpenedLine): void {
    this.#line = line
    this.#resolve(line.standIn)
  }

  /** There will be no socket, for this reason. */
  giveUp(error: unknown): void {
    this.#reject(error)
    this.instance.dispose()
  }

  #forCancel(): StandInSocket {
    // At once, and not when postgres.js writes, some turns later: until then nobody would know that
    // a request is on its way.
    const request = this.#line?.cancel() ?? Promise.resolve()
    return StandInSocket.forCancel(request, this.#host, this.#port)
  }
}

function noop(): void {}
