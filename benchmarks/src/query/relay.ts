import { connect, createServer, type Socket } from 'node:net'

/** A way to a server of this machine on which every byte spends some time. */
export interface Relay extends AsyncDisposable {
  /** URL that leads there. */
  readonly url: string
}

/** Opens a port that leads to the server of `url`; what comes is passed on `ms` milliseconds later, in both directions. */
export async function startRelay(url: string, ms: number): Promise<Relay> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.setNoDelay(true)
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  }
  const listener = createServer((client) => {
    keep(client)
    const server = keep(connect(Number(target.port), target.hostname))
    passOn(client, server, ms)
    passOn(server, client, ms)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  target.port = String((listener.address() as { port: number }).port)
  return {
    url: target.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

function passOn(from: Socket, to: Socket, ms: number): void {
  from.on('data', (chunk) => setTimeout(() => to.write(chunk), ms))
  from.on('close', () => setTimeout(() => to.destroy(), ms))
}
