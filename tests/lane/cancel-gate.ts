import { startRelay } from './relay.js'

// What a CancelRequest says in the place of a version of the protocol.
const CANCEL_REQUEST = 80_877_102

/** A line to a server that keeps cancel requests until it is told to let them through. */
export interface CancelGate extends AsyncDisposable {
  /** Leads through it. */
  readonly url: string
  /** How many cancel requests are held. */
  readonly held: number
  /** How many statements the server has ended as cancelled. */
  readonly hits: number
  /** Lets those through that are held. */
  release(): void
  /** Lets all through that come from now on, or holds them again. */
  hold(held: boolean): void
}

/** Starts a line to the server of this URL, whose clients do not encrypt. It holds at first. */
export async function startCancelGate(target: string): Promise<CancelGate> {
  const waiting: (() => void)[] = []
  let holds = true
  let hits = 0
  const release = (): void => {
    for (const pass of waiting.splice(0)) pass()
  }
  const relay = await startRelay(target, (client, server) => {
    client.once('data', (first: Buffer) => {
      const pass = (): void => {
        server.write(first)
        client.pipe(server)
      }
      if (holds && first.length === 16 && first.readInt32BE(4) === CANCEL_REQUEST) {
        waiting.push(pass)
      } else pass()
    })
    server.on('data', (chunk: Buffer) => {
      hits += chunk.toString('latin1').split('C57014\0').length - 1
    })
    server.pipe(client)
  })
  return {
    url: relay.url,
    get held() {
      return waiting.length
    },
    get hits() {
      return hits
    },
    release,
    hold(held) {
      holds = held
      if (!held) release()
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  }
}
