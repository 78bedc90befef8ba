import { describe, expect, it, test } from 'vitest'
import { DatabaseError, type ServerIdentity, type ServersEvent } from '../../../src/index.js'
import { isRestarted, isSameServer } from '../../../src/kit.js'
import { harness, watch } from '../../harness.js'

const A: ServerIdentity = {
  systemId: '7000000000000000001',
  timeline: 1,
  startedAt: '1764455784.123456',
  address: '10.0.0.1',
  port: 5432,
  inRecovery: false,
}
const B: ServerIdentity = { ...A, startedAt: '1764455784.123457', address: '10.0.0.2' }

describe('one server', () => {
  it.each<[string, Partial<ServerIdentity>]>([
    ['at another of its addresses', { address: '127.0.0.1' }],
    ['through its Unix socket', { address: undefined, port: undefined }],
    ['after a promotion', { timeline: 2, inRecovery: true }],
    ['whose control file is hidden', { systemId: undefined, timeline: undefined }],
  ])('is known %s', (_where, change) => {
    expect(isSameServer(A, { ...A, ...change })).toBe(true)
  })

  it.each<[string, Partial<ServerIdentity>]>([
    ['started a microsecond later', { startedAt: '1764455784.123457' }],
    ['on another port', { port: 5433 }],
    ['of another cluster', { systemId: '7000000000000000002' }],
    ['that does not say when it was started', { startedAt: undefined }],
  ])('is not one %s', (_what, change) => {
    expect(isSameServer(A, { ...A, ...change })).toBe(false)
  })

  it('is not known by saying nothing', () => {
    const silent = { ...A, startedAt: undefined }
    expect(isSameServer(silent, silent)).toBe(false)
    expect(isSameServer(undefined, undefined)).toBe(false)
  })

  it('was restarted if only the time of its start differs', () => {
    expect(isRestarted(A, { ...A, startedAt: '1764455999.5' })).toBe(true)
    expect(isRestarted(A, B)).toBe(false)
    expect(isRestarted(A, A)).toBe(false)
  })

  it('was restarted behind its Unix socket too, where it tells no place', () => {
    const local = { ...A, address: undefined, port: undefined }
    const later = { ...local, startedAt: '1764455999.5' }
    expect(isRestarted(local, later)).toBe(true)
    expect(isRestarted(local, { ...later, systemId: '7000000000000000002' })).toBe(false)
    const silent = { ...local, systemId: undefined }
    expect(isRestarted(silent, { ...silent, startedAt: '1764455999.5' })).toBe(false)
  })
})

test('each connection knows its server, and the pool all of them, over one round trip for each', async () => {
  const { clock, pool } = harness(
    { max: 3 },
    { server: ({ info }) => (info.backendPid === 2 ? B : A) },
  )
  const told: ServersEvent[] = []
  pool.on('servers', (event) => told.push(event))
  expect(pool.servers!()).toEqual([])
  const leases = [watch(pool.acquire()), watch(pool.acquire()), watch(pool.acquire())]
  await clock.settle()
  expect(leases.map(({ value }) => value!.server)).toEqual([A, B, A])
  // What is the same is kept once.
  expect(leases[2]!.value!.server).toBe(leases[0]!.value!.server)
  expect(pool.servers!()).toEqual([
    { server: A, connections: 2 },
    { server: B, connections: 1 },
  ])
  expect(pool.inspect().servers).toEqual(pool.servers!())
  expect(told).toMatchObject([{ pool: 'test', servers: [A, B] }])
  expect(told[0]!.message).toBe(
    'its name leads to several servers: the primary at 10.0.0.1:5432, up since 2025-11-29T22:36:24.123Z; the primary at 10.0.0.2:5432, up since 2025-11-29T22:36:24.123Z',
  )
  leases[1]!.value!.destroy()
  expect(pool.servers!()).toEqual([{ server: A, connections: 2 }])
  for (const { value } of leases) value!.release()
  const session = watch(pool.openSession())
  await clock.settle()
  expect(session.value!.server).toBe(leases[0]!.value!.server)
  session.value!.destroy('over')
})

test.each<[string, ServerIdentity]>([
  ['TCP', A],
  ['a Unix socket', { ...A, address: undefined, port: undefined }],
])('a server that was restarted is not another one over %s', async (_, former) => {
  let server = former
  const { clock, pool } = harness({ max: 1 }, { server: () => server })
  const told: ServersEvent[] = []
  pool.on('servers', (event) => told.push(event))
  watch(pool.query('select 1'))
  await clock.settle()
  server = { ...former, startedAt: '1764455999.5' }
  void pool.recycle()
  await clock.settle()
  const lease = watch(pool.acquire())
  await clock.settle()
  expect(lease.value!.server).toEqual(server)
  expect(told).toEqual([])
  lease.value!.release()
})

describe('a server that hides functions', () => {
  const refused = (code: string): DatabaseError =>
    new DatabaseError(`refused with ${code}`, { code, severity: 'ERROR' })

  it.each(['0A000', '42501', '42883', '55000'])(
    'by %s is asked for less, which costs the first connection one round trip and the others none',
    async (code) => {
      const asked: string[] = []
      const { clock, pool } = harness(
        { max: 2 },
        {
          server: (_session, text) => {
            asked.push(text)
            return text.includes('pg_control_system') ? refused(code) : A
          },
        },
      )
      const first = watch(pool.acquire())
      await clock.settle()
      expect(first.value!.server).toEqual({ ...A, systemId: undefined, timeline: undefined })
      expect(asked).toHaveLength(2)
      const second = watch(pool.acquire())
      await clock.settle()
      expect(second.value!.server).toBe(first.value!.server)
      expect(asked).toHaveLength(3)
      expect(pool.pooler).toBeUndefined()
      for (const { value } of [first, second]) value!.release()
    },
  )

  it.each(['0A000', '42883'])('all of them, by %s, is used without an identity', async (code) => {
    const { clock, pool } = harness({}, { server: () => refused(code) })
    const lease = watch(pool.acquire())
    await clock.settle()
    expect(lease.value!.server).toBeUndefined()
    expect(watch(lease.value!.query('select 1'))).toBeDefined()
    await clock.settle()
    expect(pool.stats().counters).toMatchObject({ created: 1, errors: 0 })
    lease.value!.release()
  })

  it('for a moment is asked for all of it again by the next connection', async () => {
    let trouble = true
    const { clock, pool } = harness(
      { max: 2 },
      { server: (_s, text) => (trouble && text.includes('pg_control') ? refused('57014') : A) },
    )
    const first = watch(pool.acquire())
    await clock.settle()
    trouble = false
    const second = watch(pool.acquire())
    await clock.settle()
    expect([first.value!.server, second.value!.server]).toEqual([undefined, A])
    for (const { value } of [first, second]) value!.release()
  })
})

test('behind a pooler no connection has a server, also of those that were opened before it was noticed', async () => {
  const { clock, pool } = harness(
    { max: 2 },
    { server: () => A, answeringPid: ({ info }) => (info.backendPid === 1 ? 1 : 4711) },
  )
  const first = watch(pool.acquire())
  await clock.settle()
  expect(first.value!.server).toEqual(A)
  const second = watch(pool.acquire())
  await clock.settle()
  expect([first.value!.server, second.value!.server]).toEqual([undefined, undefined])
  expect(pool.servers!()).toEqual([])
  for (const { value } of [first, second]) value!.release()
})

test('a declared pooler is not asked, and one that was declared away is', async () => {
  for (const pooler of ['none', 'pgbouncer'] as const) {
    const { clock, pool } = harness({ pooler }, { server: () => A })
    const lease = watch(pool.acquire())
    await clock.settle()
    expect(lease.value!.server).toEqual(pooler === 'none' ? A : undefined)
    lease.value!.release()
  }
})
