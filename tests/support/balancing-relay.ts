import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * One address that leads each new connection to the next of several servers, as a reader endpoint
 * does, or to one that may be moved. Connections stay where they are.
 */
export interface BalancingRelay extends AsyncDisposable {
  /** The URL with this address in place of its own. */
  through(url: string): string
  /** New connections lead to these servers from now on, one after the other. */
  leadTo(...urls: string[]): void
}

/** An address that leads to these servers in turn. */
export async function startBalancingRelay(...urls: string[]): Promise<BalancingRelay> {
  let targets = urls.map(portOf)
  let next = 0
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(targets[next++ % targets.length]!, '127.0.0.1')
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.setNoDelay(true)
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    through(original) {
      return Object.assign(new URL(original), { host: `127.0.0.1:${port}` }).href
    },
    leadTo(...others) {
      targets = others.map(portOf)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}
