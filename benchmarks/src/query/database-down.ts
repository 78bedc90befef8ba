import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { queryVariants, type VariantOptions } from './variants.js'

const CALLERS = 500
const LOAD_MS = 5_000
const DEADLINE_MS = 1_000
const PAUSE_MS = 100

/** A port without a listener, or with one that closes every connection. */
async function deadEnd(how: 'refuses' | 'accepts and closes'): Promise<number> {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  if (how === 'refuses') {
    server.close()
    await once(server, 'close')
  }
  return port
}

/**
 * 500 callers, each with a deadline of one second for every call, for five seconds against a
 * database that is down; a caller whose call failed pauses for 100 ms. Counts connects where they
 * begin, and how late the latest caller was settled.
 */
export async function databaseDown(
  variantName: string,
  how: 'refuses' | 'accepts and closes',
): Promise<Readonly<Record<string, number>>> {
  const port = await deadEnd(how)
  let attempts = 0
  const options: VariantOptions = {
    url: `postgres://app:app@127.0.0.1:${port}/app?sslmode=disable`,
    max: 10,
    acquireTimeoutMs: DEADLINE_MS,
    onConnect: () => attempts++,
  }
  const variant = await queryVariants[variantName]!(options)
  let calls = 0
  let latestMs = Number.NEGATIVE_INFINITY
  const before = process.cpuUsage()
  const end = performance.now() + LOAD_MS
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (performance.now() < end) {
        const start = performance.now()
        calls++
        await variant.query(1).catch(() => {})
        latestMs = Math.max(latestMs, performance.now() - start - DEADLINE_MS)
        await sleep(PAUSE_MS)
      }
    }),
  )
  const { user, system } = process.cpuUsage(before)
  return {
    'connect attempts': attempts,
    calls,
    'latest after its deadline ms': latestMs,
    'CPU ms': (user + system) / 1_000,
  }
}
