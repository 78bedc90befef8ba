import { mkdir } from 'node:fs/promises'
import { connect, createServer, type ListenOptions, type Socket } from 'node:net'
import { join } from 'node:path'

/** Where a local server stands in for the hosts of vendors. */
export interface VendorAddress extends AsyncDisposable {
  /** An address of loopback that no other process uses: every port on it leads to the server. */
  readonly host: string
  /** Listens at a port of the address. */
  listen(port: number): Promise<void>
  /** Listens at a socket in a folder, as the proxy of Cloud SQL does. */
  listenAtSocket(folder: string): Promise<void>
}

/**
 * Makes an address at which the server of a port of 127.0.0.1 answers. For Linux, where all of
 * 127.0.0.0/8 is loopback.
 */
export function vendorAddress(server: number, number: number): VendorAddress {
  const host = `127.${64 + number}.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`
  const sockets = new Set<Socket>()
  const listeners = new Map<number | string, ReturnType<typeof createServer>>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    return socket.on('close', () => sockets.delete(socket))
  }
  const open = async (at: number | string, place: ListenOptions): Promise<void> => {
    if (listeners.has(at)) return
    const listener = createServer((client) => {
      const upstream = keep(connect(server, '127.0.0.1'))
      keep(client).pipe(upstream).pipe(client)
    })
    listeners.set(at, listener)
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(place, resolve)
    })
  }
  return {
    host,
    listen: (port) => open(port, { host, port }),
    async listenAtSocket(folder) {
      await mkdir(folder, { recursive: true })
      await open(folder, { path: join(folder, '.s.PGSQL.5432') })
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(
        [...listeners.values()].map(
          (listener) => new Promise((resolve) => listener.close(resolve)),
        ),
      )
    },
  }
}
