import { once } from 'node:events'
import { createServer, connect as dial, type Socket } from 'node:net'
import { startWireServer, type WireServer } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { failureOf } from '../support/failure-of.js'
import { guardProcess } from '../support/process-guards.js'
import { poolsOver } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()

/** A message of the server: its kind, and texts that each end with a zero byte. */
function message(kind: string, ...texts: readonly string[]): Buffer {
  const body = Buffer.from(texts.map((text) => `${text}\0`).join(''))
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/**
 * A line to a wire server over which a test can have the server say anything, once the session is
 * idle.
 */
async function startLine(wire: WireServer) {
  const clients: Socket[] = []
  const line = createServer((client) => {
    const server = dial(wire.port, '127.0.0.1')
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (chunk) => to.write(chunk))
      from.on('close', () => to.destroy())
      from.on('error', () => to.destroy())
    }
    clients.push(client)
  })
  line.listen(0, '127.0.0.1')
  await once(line, 'listening')
  const url = new URL(wire.url)
  url.port = String((line.address() as { port: number }).port)
  return {
    url: url.href,
    clients,
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.destroy()
      line.close()
      await once(line, 'close')
    },
  }
}

function roomOrEnd(client: Socket): Promise<void> {
  return new Promise((resolve) => {
    client.once('drain', resolve)
    client.once('close', () => resolve())
  })
}

/**
 * Sends `parts` until the client hangs up or they are at their end. Resolves with the bytes that
 * were sent.
 */
async function flood(client: Socket, parts: Iterable<Buffer>): Promise<number> {
  let sent = 0
  for (const part of parts) {
    if (client.destroyed) break
    sent += part.length
    if (!client.write(part)) await roomOrEnd(client)
  }
  return sent
}

function* times(count: number, make: (index: number) => Buffer): Generator<Buffer> {
  for (let index = 0; index < count; index++) yield make(index)
}

describe.each(DRIVERS)('a server that floods a session, over $driver', ({ make }) => {
  const openPool = poolsOver(make())

  it('T17: parameters without end destroy the session before they fill the memory', async () => {
    await using wire = await startWireServer()
    await using line = await startLine(wire)
    const pool = openPool({ connection: line.url, max: 1 })
    const reasons: string[] = []
    pool.on('destroy', ({ reason }) => reasons.push(reason))
    await pool.warm(1)
    const value = 'x'.repeat(1_000)
    const endless = times(100_000, (index) => message('S', `name_${index}`, value))
    expect(await flood(line.clients[0]!, endless)).toBeLessThan(50_000_000)
    await until(() => reasons.length === 1, 'the session to be destroyed')
    expect(reasons[0]).toContain('parameters without end')
    expect((await pool.query('select 1')).rows.length).toBe(1)
  })

  it('T17: a parameter that is reported again and again costs no memory, and the session goes on', async () => {
    await using wire = await startWireServer()
    await using line = await startLine(wire)
    const pool = openPool({ connection: line.url, max: 1 })
    await pool.use(async (lease) => {
      await lease.query('select 1')
      const again = times(5_000, (index) => message('S', 'application_name', `name ${index}`))
      await flood(line.clients[0]!, again)
      await until(
        () => lease.info.parameters.get('application_name') === 'name 4999',
        'the last of them',
      )
      expect((await lease.query('select 1')).rows.length).toBe(1)
    })
  })

  it('T17: notices and notifications without a listener are dropped', async () => {
    await using wire = await startWireServer()
    await using line = await startLine(wire)
    const pool = openPool({ connection: line.url, max: 1 })
    await pool.warm(1)
    const notice = message('N', 'SNOTICE', 'VNOTICE', 'C00000', `M${'x'.repeat(1_000)}`, '')
    const news = message('A', '\0\0\0channel', 'y'.repeat(1_000))
    await flood(
      line.clients[0]!,
      times(5_000, (index) => (index % 2 === 0 ? notice : news)),
    )
    expect((await pool.query('select 1')).rows.length).toBe(1)
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('T17: a message of an unknown kind ends the statement with an error of ours', async () => {
    await using wire = await startWireServer({
      onStatement: (text) => (text === 'select 2' ? { hang: true } : undefined),
    })
    await using line = await startLine(wire)
    const pool = openPool({ connection: line.url, max: 1 })
    await pool.query('select 1')
    const failing = failureOf(pool.query('select 2'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await flood(line.clients[0]!, [message('?', 'what'), message('?', 'is this')])
    expect(await failing).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    expect((await pool.query('select 1')).rows.length).toBe(1)
  })
})
