import { once } from 'node:events'
import { createServer, connect as dial, type Socket } from 'node:net'

/** A port that leads to a server. */
export interface Relay extends AsyncDisposable {
  /** The URL of the server with this port in place of its own. */
  readonly url: string
}

/**
 * Opens a port that leads to the server of this URL. `connected` is called with both ends of each
 * connection, and passes on what they send. When one end closes, so does the other, after what was
 * written to it.
 */
export async function startRelay(
  target: string,
  connected: (client: Socket, server: Socket) => void,
): Promise<Relay> {
  const { port, hostname } = new URL(target)
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const server = dial(Number(port), hostname)
    for (const socket of [client, server]) sockets.add(socket.setNoDelay())
    connected(client, server)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('close', () => to.destroySoon())
      from.on('error', () => to.destroy())
    }
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((listener.address() as { port: number }).port)
  return {
    url: url.href,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}
