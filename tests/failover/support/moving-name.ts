import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A host name that only this process can resolve, to addresses that the test sets. */
export interface MovingName extends AsyncDisposable {
  /** The name. */
  readonly host: string
  /** The port, the same at every address. */
  readonly port: number
  /**
   * Sets the addresses that a look-up of the name finds from now on, in order, by their numbers
   * from
   * 0. Nothing listens at numbers beyond the targets.
   */
  leadTo(...addresses: number[]): void
}

type LookUpDone = (error: Error | null, addresses: string | dns.LookupAddress[]) => void

const HOST = 'db.poolhouse.test'

/**
 * Makes each of these ports reachable at an address of its own, 127.0.0.2 and up, all at one port,
 * with a host name that leads to the first of them.
 */
export async function startMovingName(targets: readonly number[]): Promise<MovingName> {
  const sockets = new Set<Socket>()
  const servers: Server[] = []
  let port = 0
  for (const [index, target] of targets.entries()) {
    const server = forwarder(target, sockets)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, addressOf(index), resolve)
    })
    port = (server.address() as AddressInfo).port
    servers.push(server)
  }
  let found: readonly string[] = [addressOf(0)]
  const { lookup } = dns
  const moved = (host: string, options: object, done: LookUpDone): void => {
    if (host !== HOST) {
      lookup(host, options, done)
      return
    }
    const answer = found.map((address) => ({ address, family: 4 }))
    setImmediate(() => done(null, answer))
  }
  replaceLookup(moved as typeof lookup)
  return {
    host: HOST,
    port,
    leadTo: (...addresses) => {
      found = addresses.map(addressOf)
    },
    async [Symbol.asyncDispose]() {
      replaceLookup(lookup)
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
}

function addressOf(index: number): string {
  return `127.0.0.${index + 2}`
}

/** Forwards bytes, and every end of a connection, to a port of 127.0.0.1. */
function forwarder(target: number, sockets: Set<Socket>): Server {
  return createServer((client) => {
    const server = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
}

/** Replaces the look-up for the whole process, including modules that imported it by name. */
function replaceLookup(lookup: typeof dns.lookup): void {
  dns.lookup = lookup
  syncBuiltinESMExports()
}
