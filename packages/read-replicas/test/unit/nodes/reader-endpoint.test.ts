import { type ConnectionPool, createPool, type Lease, type ServerIdentity } from '@poolhouse/core'
import { fakeDriver, type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { ReaderEndpoint } from '../../../src/nodes/reader-endpoint.js'

const B: Partial<ServerIdentity> = {
  systemId: '7',
  startedAt: '100.5',
  address: '10.0.0.2',
  port: 5432,
  inRecovery: true,
}
const C = { ...B, startedAt: '100.6', address: '10.0.0.3' }

let clock: VirtualClock
let pool: ConnectionPool
/** The servers that the next connections lead to; the last one counts for all that follow. */
let next: Partial<ServerIdentity>[]
let told: string[]
let endpoint: ReaderEndpoint

beforeEach(() => {
  clock = virtualClock()
  next = [B]
  told = []
  pool = createPool({
    driver: fakeDriver({
      clock,
      server: () => (next.length > 1 ? next.shift()! : next[0]!),
    }),
    connection: 'postgres://user@localhost/app',
    name: 'endpoint',
    max: 8,
    clock,
    random: () => 0.5,
  })
  const tell = (what: string) => (): void => {
    told.push(what)
  }
  endpoint = new ReaderEndpoint(pool, 'here', {
    joined: tell('joined'),
    parted: tell('parted'),
    moved: tell('moved'),
    restarted: tell('restarted'),
    changed: () => {},
  })
})

async function open(count: number): Promise<Lease[]> {
  const leases = Promise.all(Array.from({ length: count }, () => pool.acquire()))
  await clock.settle()
  return await leases
}

const addresses = (): (string | undefined)[] => endpoint.nodes.map(({ server }) => server?.address)

test('T52: a name of one server is one node with its zone, however many connections there are', async () => {
  await open(3)
  expect(addresses()).toEqual(['10.0.0.2'])
  expect(endpoint.nodes[0]).toMatchObject({ node: 'endpoint', zone: 'here' })
  expect(told).toEqual([])
})

test('T52: each further server that a connection leads to joins, and leaves with its last connection', async () => {
  next = [B, C, B]
  const leases = await open(3)
  expect(addresses()).toEqual(['10.0.0.2', '10.0.0.3'])
  expect(endpoint.leadsToSeveral).toBe(true)
  const [b, c] = endpoint.nodes
  for (const lease of leases) lease.release()
  await clock.settle()
  expect(b!.pool.tryAcquire()!.server).toMatchObject(B)
  const onC = c!.pool.tryAcquire()!
  expect(onC.server).toMatchObject(C)
  onC.destroy()
  await clock.settle()
  expect(addresses()).toEqual(['10.0.0.2'])
  expect(told).toEqual(['joined', 'parted'])
})

test('T52: a server that was restarted is the same node', async () => {
  const [lease] = await open(1)
  const [node] = endpoint.nodes
  next = [{ ...B, startedAt: '200.1' }]
  await open(1)
  expect(endpoint.nodes).toEqual([node])
  expect(node!.server!.startedAt).toBe('200.1')
  expect(told).toEqual(['restarted'])
  lease!.release()
})

test('T52: connections to a server before its restart take no room from later ones', async () => {
  pool.resize({ max: 2 })
  for (const lease of await open(2)) lease.release()
  const [node] = endpoint.nodes
  next = [{ ...B, startedAt: '200.1' }]
  const session = node!.pool.openSession()
  await clock.advance(10)
  expect((await session).server).toMatchObject({ startedAt: '200.1' })
  const read = node!.pool.query('select 1')
  await clock.advance(10)
  expect((await read).rows).toBeDefined()
  expect(pool.servers!()).toMatchObject([{ server: { startedAt: '200.1' }, connections: 1 }])
  expect(told).toEqual(['restarted'])
})

test('T52: a name that has moved stands for its new server, and what was known of the former one is forgotten', async () => {
  const [lease] = await open(1)
  lease!.destroy()
  await clock.settle()
  next = [C]
  await open(1)
  expect(addresses()).toEqual(['10.0.0.3'])
  expect(told).toEqual(['moved'])
})

test('T52: a server with only the connection of the monitor serves no reads while others have connections', async () => {
  next = [B, C, B]
  const leases = await open(3)
  const [, c] = endpoint.nodes
  c!.sampler = { watching: true } as unknown as NonNullable<typeof c>['sampler']
  leases.find(({ server }) => server?.address === C.address)!.destroy()
  await clock.settle()
  expect(addresses()).toEqual(['10.0.0.2', '10.0.0.3'])
  expect(c!.unfit).toBe('no connection leads to it now')
  for (const lease of leases) if (lease.server?.address === B.address) lease.destroy()
  await clock.settle()
  // A new connection may lead to either server.
  expect(endpoint.nodes.every(({ unfit }) => unfit === undefined)).toBe(true)
})

test('T52: servers that do not identify themselves are one node', async () => {
  next = [{}]
  await open(2)
  expect(endpoint.nodes).toHaveLength(1)
  expect(endpoint.nodes[0]!.server).toBeUndefined()
  expect(endpoint.nodes[0]!.pool.tryAcquire()).toBeUndefined()
})

test('T52: connections that were opened earlier count', async () => {
  next = [B, C, B]
  await open(2)
  const later = new ReaderEndpoint(pool, undefined, {
    joined: () => {},
    parted: () => {},
    moved: () => {},
    restarted: () => {},
    changed: () => {},
  })
  later.begin()
  expect(later.nodes.map(({ server }) => server!.address)).toEqual(['10.0.0.2', '10.0.0.3'])
  later.stop()
})
