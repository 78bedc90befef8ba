import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * An address that leads to one server, over connections that can get stuck: nothing passes any more
 * in either direction, and what the client sends fills its socket. A NAT box does that to a
 * connection that it has forgotten; `FaultProxy.forget()` goes on to read what the client sends.
 */
export interface StickingLine extends AsyncDisposable {
  /** The URL of the server with this address in place of its own. */
  readonly url: string
  /** The connections that are open get stuck for ever. New ones work. */
  stick(): void
}

/** Listens on a free port of 127.0.0.1. */
export async function startStickingLine(serverUrl: string): Promise<StickingLine> {
  const { port, hostname } = new URL(serverUrl)
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const server = connect(Number(port), hostname)
    for (const [one, other] of [
      [client, server],
      [server, client],
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
    listener.once('error', reject)
    listener.listen(0, '127.0.0.1', resolve)
  })
  const address = listener.address() as AddressInfo
  return {
    url: Object.assign(new URL(serverUrl), { host: `127.0.0.1:${address.port}` }).href,
    stick() {
      for (const socket of sockets) {
        socket.unpipe()
        socket.pause()
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
