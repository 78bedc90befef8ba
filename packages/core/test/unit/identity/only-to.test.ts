import { expect, test } from 'vitest'
import type { ConnectionPool, Lease, ServerIdentity } from '../../../src/index.js'
import { leadsElsewhere } from '../../../src/kit.js'
import { type Harness, harness, watch } from '../../harness.js'

type Named = Pick<ServerIdentity, 'startedAt'>

const A = { startedAt: '1', inRecovery: true }
const B = { startedAt: '2', inRecovery: true }

/**
 * A pool whose name leads to these servers, one connection after the other, the last one for all
 * that follow.
 */
function endpoint(
  servers: readonly Named[],
  max = 4,
): Harness & { a: ConnectionPool; b: ConnectionPool } {
  const made = harness(
    { max },
    { server: ({ info }) => servers[Math.min(info.backendPid, servers.length) - 1]! },
  )
  const only = (wanted: Named): ConnectionPool =>
    made.pool.onlyTo!((server) => server?.startedAt === wanted.startedAt)
  return { ...made, a: only(A), b: only(B) }
}

/** Opens as many connections as there are servers. */
async function open({ clock, pool }: Harness, count: number): Promise<void> {
  const leases = Array.from({ length: count }, () => watch(pool.acquire()))
  await clock.settle()
  for (const { value } of leases) value!.release()
  await clock.settle()
}

test('calls of a view share connections to its server alone', async () => {
  const made = endpoint([A, B, A, B])
  await open(made, 4)
  const { a, b, pool, clock, driver } = made
  pool.reconfigure({ multiplex: 'auto' })
  const text = 'select $1'
  await pool.query(text, [0])
  const before = [...driver.open].map(({ statements }) => statements.length)
  const calls = [a, b, a, b, a, b].map((view, at) => watch(view.query(text, [at])))
  await clock.settle()
  expect(calls.every(({ state }) => state === 'resolved')).toBe(true)
  const ran = [...driver.open].map(({ statements }, at) => statements.length - before[at]!)
  expect([ran[0]! + ran[2]!, ran[1]! + ran[3]!]).toEqual([3, 3])
  expect(driver.violations).toEqual([])
})

test('T52: a view lends idle connections to its server alone, the hottest of them', async () => {
  const made = endpoint([A, B, A, B])
  await open(made, 4)
  const { a, b, pool } = made
  expect(a.tryAcquire()!.server).toMatchObject(A)
  expect(b.tryAcquire()!.server).toMatchObject(B)
  const [other, last] = [a.tryAcquire()!, a.tryAcquire()]
  expect([other.server, last]).toEqual([expect.objectContaining(A), undefined])
  expect(pool.tryAcquire()!.server).toMatchObject(B)
})

test('T52: connections to another server pass over a caller that waits for one server, and it keeps no other caller from them', async () => {
  const made = endpoint([A, B], 2)
  await open(made, 2)
  const { a, b, pool, clock } = made
  const [onA, onB] = [a.tryAcquire()!, b.tryAcquire()!]
  const waiting = watch(a.acquire())
  const order: string[] = []
  const any = pool.acquire().then((lease) => {
    order.push('any')
    return lease
  })
  onB.release()
  await clock.settle()
  expect(order).toEqual(['any'])
  expect(waiting.state).toBe('pending')
  ;(await any).release()
  await clock.settle()
  // Idle, though a caller waits for the other server.
  expect(pool.stats()).toMatchObject({ idle: 1, pending: 1 })
  const lease = pool.tryAcquire() as Lease
  expect(lease.server).toMatchObject(B)
  lease.release()
  onA.release()
  await clock.settle()
  expect(waiting.value!.server).toMatchObject(A)
})

test('T52: a caller is lent an idle connection to its server at once, though one before it waits for another server', async () => {
  const made = endpoint([A, B], 2)
  await open(made, 2)
  const { a, b, clock } = made
  const onB = b.tryAcquire()!
  const waiting = watch(b.acquire())
  const served = watch(a.acquire())
  await clock.settle()
  expect([waiting.state, served.state]).toEqual(['pending', 'resolved'])
  expect(served.value!.server).toMatchObject(A)
  onB.release()
  await clock.settle()
  expect(waiting.value!.server).toMatchObject(B)
})

test('T52: statements, transactions and streams of a view run on its server', async () => {
  const made = endpoint([A, B])
  await open(made, 2)
  const { b, clock, session } = made
  const done = [
    watch(b.query('select 1')),
    watch(b.transaction(async (tx) => await tx.query('select 2'))),
    watch(b.use(async (lease) => await lease.query('select 3'))),
  ]
  await clock.settle()
  expect(done.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved'])
  expect([session(0).statements, session(1).statements.length > 2]).toEqual([[], true])
})

test('T52: a view grows the pool, and is refused when three new connections in a row lead elsewhere', async () => {
  const made = endpoint([A, B], 10)
  const { b, clock, pool } = made
  const first = watch(b.query('select 1'))
  await clock.settle()
  expect(first.state).toBe('resolved')
  const third = pool.onlyTo!((server) => server?.startedAt === '3')
  const refused = watch(third.query('select 1'))
  await clock.settle()
  expect(leadsElsewhere(refused.error)).toBe(true)
  expect(refused.error).toMatchObject({ name: 'ConnectError', executed: 'no' })
  expect(made.driver.attempts).toBe(5)
  expect(refused.error!.message).toMatch(/no connection of pool "test" .* leads to the server/)
  expect(pool.stats()).toMatchObject({ pending: 0, leased: 0 })
})

test('T52: a view of a full pool is refused at once if none of its connections leads there', async () => {
  const made = endpoint([A], 1)
  await open(made, 1)
  const refused = watch(made.b.acquire())
  await made.clock.settle()
  expect(leadsElsewhere(refused.error)).toBe(true)
  // Its last connection was lost while a caller waited for it.
  const held = made.a.tryAcquire()!
  const waiting = watch(made.b.acquire())
  held.destroy()
  await made.clock.settle()
  expect(waiting.state).not.toBe('pending')
})

test('T52: a session of a view is an idle connection to its server, or a new one that leads there', async () => {
  const made = endpoint([A, B, A, A, B])
  await open(made, 2)
  const { b, clock, pool } = made
  const adopted = watch(b.openSession())
  await clock.settle()
  expect(adopted.value!.server).toMatchObject(B)
  expect(adopted.value!.info.backendPid).toBe(2)
  expect(pool.stats()).toMatchObject({ total: 1, idle: 1 })
  const opened = watch(b.openSession())
  await clock.settle()
  expect(opened.value!.info.backendPid).toBe(5)
  expect(made.driver.open.size).toBe(3)
  // It is a session like any other.
  const asked = watch(adopted.value!.query('select 1'))
  await clock.settle()
  expect(asked.state).toBe('resolved')
  await adopted.value!.close()
  expect(adopted.value!.closed).toBe(true)
  const none = watch(pool.onlyTo!(() => false).openSession())
  await clock.settle()
  expect(leadsElsewhere(none.error)).toBe(true)
})

test('T52: a view destroys the connections to its server alone, and refuses the callers that wait for them', async () => {
  const made = endpoint([A, B], 2)
  await open(made, 2)
  const { a, b, clock, pool } = made
  const [onA, onB] = [a.tryAcquire()!, b.tryAcquire()!]
  const waiting = watch(b.acquire())
  b.destroyAll('it is down')
  await clock.settle()
  expect(waiting.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  expect(pool.servers!()).toEqual([{ server: expect.objectContaining(A), connections: 1 }])
  expect([onA.signal.aborted, onB.signal.aborted]).toEqual([false, true])
  await a.close()
  expect(watch(pool.query('select 1'))).toBeDefined()
  onA.release()
})

test('T52: a server that is down takes its connections and those who wait for it, and no others', async () => {
  const made = endpoint([A, B], 2)
  await open(made, 2)
  const { a, b, clock, pool } = made
  const held = [a.tryAcquire()!, b.tryAcquire()!]
  const [onA, onB] = [watch(a.acquire()), watch(b.acquire())]
  a.destroyAll('it is down')
  await clock.settle()
  expect(onA.error).toMatchObject({ name: 'ConnectionLostError', executed: 'no' })
  // By the connection that came instead.
  expect(onB.value!.server).toMatchObject(B)
  expect(held.map((lease) => lease.signal.aborted)).toEqual([true, false])
  expect(pool.stats()).toMatchObject({ leased: 2, pending: 0 })
})
