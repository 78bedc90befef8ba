import { expect, test, vi } from 'vitest'
import type { PoolEventName } from '../../../src/index.js'
import { CONNECTION_EVENTS, EventHub, SERVER_EVENTS } from '../../../src/kit.js'
import { harness, watch } from '../../harness.js'

const connected = { pool: 'p', connection: 1, createMs: 0 }

/** Lets queued deliveries happen. */
const delivered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('delivers after the state change, in the order of the events', async () => {
  const hub = new EventHub()
  const seen: unknown[] = []
  hub.on('connect', () => seen.push('connect'))
  hub.on('acquire', () => seen.push('acquire'))
  hub.emit('connect', connected)
  hub.emit('acquire', { pool: 'p', connection: 1, waitMs: 0 })
  expect(seen).toEqual([])
  await delivered()
  expect(seen).toEqual(['connect', 'acquire'])
})

test('adds the same listener once, and a removed one hears nothing more', async () => {
  const hub = new EventHub()
  const listener = vi.fn()
  hub.on('connect', listener)
  hub.on('connect', listener)
  hub.emit('connect', connected)
  await delivered()
  expect(listener).toHaveBeenCalledTimes(1)
  hub.emit('connect', connected)
  hub.off('connect', listener)
  hub.off('connect', listener)
  hub.off('destroy', listener)
  await delivered()
  expect(listener).toHaveBeenCalledTimes(1)
  expect(hub.has('connect')).toBe(false)
})

test('refuses events that do not exist and listeners that are none', () => {
  const { pool } = harness()
  expect(() => pool.on('conect' as never, () => {})).toThrow(
    'unknown event "conect"; known: connect, acquire',
  )
  expect(() => pool.on('connect', 'x' as never)).toThrow(
    'listener of "connect" must be a function, got string',
  )
  expect(pool.on('connect', () => {})).toBe(pool)
  expect(pool.off('connect', () => {})).toBe(pool)
})

test('F56: the fault of a listener reaches the error listeners, and neither its neighbours nor the pool', async () => {
  const hub = new EventHub()
  const fault = new Error('listener failed')
  const neighbour = vi.fn()
  const errors = vi.fn()
  hub.on('connect', () => {
    throw fault
  })
  hub.on('connect', neighbour)
  hub.on('error', errors)
  hub.emit('connect', connected)
  await delivered()
  expect(neighbour).toHaveBeenCalledTimes(1)
  expect(errors).toHaveBeenCalledExactlyOnceWith({ pool: 'p', error: fault })
})

test('F56: a fault without an error listener becomes a warning of the process, and so does the failure of a listener', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const fault = new Error('listener failed')
  const hub = new EventHub()
  hub.on('connect', () => {
    throw fault
  })
  hub.emit('connect', connected)
  await delivered()
  expect(warn).toHaveBeenCalledExactlyOnceWith(fault)
  hub.on('error', () => {
    throw fault
  })
  hub.emit('error', { pool: 'p', error: 1 })
  await delivered()
  expect(warn).toHaveBeenCalledTimes(2)
})

test('F56: a pool without an error listener survives everything that fails in the background', async () => {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  const { clock, driver, pool } = harness(
    { min: 1 },
    { onConnect: (attempt) => (attempt % 2 ? new Error('refused') : undefined) },
  )
  watch(pool.query('select 1'))
  await clock.advance(500)
  for (const connection of driver.open) connection.lose('crash')
  await clock.advance(500)
  await pool.close()
  await delivered()
  process.off('unhandledRejection', onRejection)
  expect(rejections).toEqual([])
})

test('a listener may call the pool, and add and remove listeners', async () => {
  const { clock, pool } = harness({ max: 1 })
  const seen: string[] = []
  const once = (): void => {
    seen.push('once')
    pool.off('release', once)
    pool.on('release', () => seen.push('later'))
    watch(pool.query('select 2'))
  }
  pool.on('release', once)
  watch(pool.query('select 1'))
  await clock.settle()
  expect(seen).toEqual(['once', 'later'])
})

test('tells the life of a connection', async () => {
  const { clock, pool, session } = harness({ max: 1 }, { connectMs: 7, statementMs: 3 })
  const seen: unknown[] = []
  for (const name of ['connect', 'acquire', 'release', 'destroy'] as const) {
    pool.on(name, (event) => seen.push([name, event]))
  }
  watch(pool.query('select 1'))
  await clock.advance(20)
  session().lose('crash')
  await clock.settle()
  expect(seen).toEqual([
    ['connect', { pool: 'test', connection: 1, createMs: 7 }],
    ['acquire', { pool: 'test', connection: 1, waitMs: 7 }],
    ['release', { pool: 'test', connection: 1, useMs: 3 }],
    ['destroy', { pool: 'test', connection: 1, reason: 'crash', cause: new Error('crash') }],
  ])
})

test('an event is about connections, about servers, or about a transaction in doubt', () => {
  const kinds: Record<PoolEventName, 'connections' | 'servers' | 'doubt'> = {
    connect: 'connections',
    acquire: 'connections',
    release: 'connections',
    destroy: 'connections',
    leak: 'connections',
    deadlock: 'connections',
    overload: 'connections',
    pooler: 'connections',
    servers: 'connections',
    durability: 'connections',
    error: 'connections',
    topology: 'servers',
    fenced: 'servers',
    'split-brain': 'servers',
    foreign: 'servers',
    diverged: 'servers',
    unidentified: 'servers',
    token: 'servers',
    hold: 'servers',
    resume: 'servers',
    ejected: 'servers',
    admitted: 'servers',
    'in-doubt': 'doubt',
  }
  const hub = new EventHub()
  for (const [name, kind] of Object.entries(kinds) as [PoolEventName, string][]) {
    hub.on(name, () => {})
    expect([CONNECTION_EVENTS.has(name), SERVER_EVENTS.has(name)]).toEqual([
      kind === 'connections',
      kind === 'servers',
    ])
  }
})
