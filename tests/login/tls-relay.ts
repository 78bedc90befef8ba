import { connect, createServer, type Socket } from 'node:net'

/** A way to a server that looks at how each connection begins. */
export interface TlsRelay extends AsyncDisposable {
  readonly port: number
  /** How each connection began, in order. */
  readonly openings: readonly Opening[]
}

/** `asks` is an SSLRequest, `begins` a TLS handshake without one. */
export type Opening = 'asks for TLS' | 'begins with TLS' | 'plain text'

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const HANDSHAKE = 22

/**
 * Opens a port that leads to the one of a server on loopback. `instead` may take a connection over,
 * beginning with its first bytes; it returns whether it did.
 */
export async function startTlsRelay(
  port: number,
  instead: (client: Socket, opening: Opening) => boolean = () => false,
): Promise<TlsRelay> {
  const openings: Opening[] = []
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }
  const listener = createServer((client) => {
    keep(client)
    client.once('data', (first: Buffer) => {
      const opening = openingOf(first)
      openings.push(opening)
      if (instead(client, opening)) return
      const server = connect(port, '127.0.0.1')
      keep(server)
      server.write(first)
      client.pipe(server).pipe(client)
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    port: (listener.address() as { port: number }).port,
    openings,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

function openingOf(first: Buffer): Opening {
  if (first.subarray(0, SSL_REQUEST.length).equals(SSL_REQUEST)) return 'asks for TLS'
  return first[0] === HANDSHAKE ? 'begins with TLS' : 'plain text'
}
