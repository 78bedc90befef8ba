import { createServer, type Server, Socket } from 'node:net'

/** A relay to a server on another port. */
export interface Bridge {
  readonly server: Server
  readonly host: '127.0.0.1'
  readonly port: number
  /** Whether new connections are accepted and not relayed. */
  deaf: boolean
  close(): Promise<void>
}

/** Opens a port, or a Unix socket, that is relayed to a port of 127.0.0.1. */
export async function openBridge(to: number, path?: string): Promise<Bridge> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => {})
    if (bridge.deaf) {
      client.resume()
      return
    }
    const upstream = new Socket()
    sockets.add(upstream)
    upstream.on('error', () => client.destroy())
    upstream.connect(to, '127.0.0.1')
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(path, resolve)
  })
  const address = server.address()
  const bridge: Bridge = {
    server,
    host: '127.0.0.1',
    port: typeof address === 'object' && address !== null ? address.port : 0,
    deaf: false,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
  return bridge
}
