import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the ranges from which Linux (32768) and macOS (49152) take the local ports of outgoing
 * connections: a port given to a server that is down for a moment must not be lent to a client.
 */
const LOWEST_PORT = 15_000
const PORT_AFTER_HIGHEST = 32_768

const ATTEMPTS = 200

/**
 * Finds distinct TCP ports without a listener at 127.0.0.1. Another process may take one
 * before its server starts, so callers try again with others when that happens.
 */
export async function findFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  for (let attempt = 0; ports.size < count; attempt += 1) {
    if (attempt === ATTEMPTS) {
      throw new Error(
        `no free port between ${LOWEST_PORT} and ${PORT_AFTER_HIGHEST - 1} after ${ATTEMPTS} attempts`,
      )
    }
    const port = randomInt(LOWEST_PORT, PORT_AFTER_HIGHEST)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}
