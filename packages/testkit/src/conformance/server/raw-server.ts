import { connect, createServer, type Socket } from 'node:net'
import { resetSocket } from '../../protocol/reset-socket.js'

/** A TCP port with the behaviour a case gives it. */
export interface RawServer {
  /** Always `127.0.0.1`. */
  readonly host: string
  /** Its port. */
  readonly port: number
  /** Connections that are open now. */
  readonly connections: number
  /** Closes the port and every connection. */
  close(): Promise<void>
}

/** Opens a port. `onSocket` is called for every connection. */
export async function startRawServer(onSocket: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    host: '127.0.0.1',
    port,
    get connections() {
      return sockets.size
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

/** A way to a server that ends after a number of bytes. */
export interface CuttingRelay extends RawServer {
  /** Bytes that have come from the server, on all connections. */
  readonly received: number
  /**
   * Lets this many more bytes from the server through and then ends the connection of each client,
   * by a FIN or an RST.
   */
  cutAfter(bytes: number, how?: 'fin' | 'rst'): void
  /** Sends bytes to every client as if they came from the server. */
  inject(bytes: Buffer): void
}

/** Opens a port that leads to another, until told to cut. */
export async function startCuttingRelay(target: {
  readonly host: string
  readonly port: number
}): Promise<CuttingRelay> {
  let received = 0
  let left = Number.POSITIVE_INFINITY
  let ending: 'fin' | 'rst' = 'fin'
  const clients = new Set<Socket>()
  const upstreams = new Set<Socket>()
  const end = (client: Socket): void => {
    if (ending === 'rst') resetSocket(client)
    else client.end()
  }
  const server = await startRawServer((client) => {
    if (left === 0) {
      // Unread bytes would keep its end from being seen.
      client.resume()
      end(client)
      return
    }
    const upstream = connect(target)
    clients.add(client)
    upstreams.add(upstream)
    upstream.on('error', () => client.destroy())
    client.on('error', () => upstream.destroy())
    client.on('close', () => {
      clients.delete(client)
      upstream.destroy()
    })
    client.on('data', (bytes) => upstream.write(bytes))
    upstream.on('close', () => {
      upstreams.delete(upstream)
      client.end()
    })
    upstream.on('data', (bytes: Buffer) => {
      received += bytes.length
      const through = bytes.subarray(0, left)
      left -= through.length
      if (through.length > 0 && !client.write(through)) {
        // The server must notice a client that does not read.
        upstream.pause()
        client.once('drain', () => upstream.resume())
      }
      if (left > 0) return
      upstream.destroy()
      end(client)
    })
  })
  return {
    host: server.host,
    port: server.port,
    get connections() {
      return server.connections
    },
    get received() {
      return received
    },
    cutAfter(bytes, how = 'fin') {
      left = bytes
      ending = how
    },
    inject(bytes) {
      for (const client of clients) client.write(bytes)
    },
    async close() {
      for (const upstream of upstreams) upstream.destroy()
      await server.close()
    },
  }
}
