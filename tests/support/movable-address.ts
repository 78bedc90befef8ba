import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** An address that leads to one port of this machine after another. Connections that exist stay where they are. */
export interface MovableAddress extends AsyncDisposable {
  /** The URL with this address in place of its own. */
  through(url: string): string
  /** New connections lead to the server of this URL from now on. */
  leadTo(url: string): void
}

/** An address that leads to the server of `url` until it is moved. */
export async function startMovableAddress(url: string): Promise<MovableAddress> {
  let target = portOf(url)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
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
      const moved = new URL(original)
      moved.host = `127.0.0.1:${port}`
      return moved.href
    },
    leadTo(next) {
      target = portOf(next)
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
