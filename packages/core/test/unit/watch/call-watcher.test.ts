import { describe, expect, it } from 'vitest'
import { EventHub } from '../../../src/api/events.js'
import { EventRelay } from '../../../src/decorate/event-relay.js'
import {
  type CallObserver,
  type CallWatcher,
  type WatchedPool,
  watchCalls,
} from '../../../src/watch/call-watcher.js'
import { harness } from '../../harness.js'

interface Watching extends CallWatcher {
  readonly told: string[]
  readonly pools: WatchedPool[]
}

/** A watcher that writes down what it is told; each call gets a number. */
function watching(comments = false): Watching {
  const told: string[] = []
  const pools: WatchedPool[] = []
  let calls = 0
  const name = (error: unknown): string => (error as Error).name
  const observerOf = (pool: WatchedPool): CallObserver => ({
    comments,
    commented: (begun, text) => `${text} /*${begun}*/`,
    began: (text) => {
      told.push(`${++calls} began ${text}`)
      return calls
    },
    waited: (begun, waitMs) => told.push(`${begun} waited ${waitMs}`),
    ended: (begun, text, durationMs, error, result) => {
      const end = error === undefined ? `${result?.rows.length} rows` : name(error)
      told.push(`${begun} ended ${text}: ${end} after ${durationMs}`)
    },
    acquiring: () => {
      told.push(`${++calls} acquiring`)
      return calls
    },
    acquired: (begun, waitMs, error) => {
      told.push(`${begun} acquired: ${error === undefined ? 'yes' : name(error)} after ${waitMs}`)
    },
    transaction: async (run) => {
      told.push('transaction')
      try {
        return await run()
      } finally {
        told.push('transaction over')
      }
    },
    connecting: () => ++calls,
    connected: (begun, createMs, error) => {
      told.push(
        `${begun} connected: ${error === undefined ? 'yes' : name(error)} after ${createMs}`,
      )
    },
    lent: (waitMs) => told.push(`lent after ${waitMs}`),
    returned: (useMs) => told.push(`returned after ${useMs}`),
    stopped: () => told.push(`${pool.name} stopped`),
  })
  return {
    told,
    pools,
    watch: (pool) => {
      pools.push(pool)
      return observerOf(pool)
    },
    held: () => () => {},
    retried: () => {},
  }
}

describe('a watcher of calls', () => {
  it('is told of a statement with its duration and rows, and that it had to wait', async () => {
    const { pool, clock } = harness({ max: 1 }, { connectMs: 5 })
    await clock.advance(1)
    const { told, ...watcher } = watching()
    watchCalls(pool, watcher)
    const call = pool.query('select 1')
    await clock.advance(10)
    await call
    expect(told).toEqual([
      '1 began select 1',
      '2 connected: yes after 5',
      'lent after 5',
      '1 waited 5',
      '1 ended select 1: 0 rows after 5',
      'returned after 0',
    ])
  })

  it('is told once of each statement of a lease, a transaction, a batch and a stream', async () => {
    const { pool } = harness()
    const { told, ...watcher } = watching()
    watchCalls(pool, watcher)
    await pool.use(async (lease) => {
      await lease.query('select 1')
      await lease.batch(['select 2', 'select 3'])
    })
    await pool.transaction(async (tx) => await tx.query('select 4'))
    await pool.transaction(['select 5'])
    for await (const _row of pool.stream('select 6'));
    const began = told.filter((line) => line.includes(' began ')).map((line) => line.slice(-8))
    expect(began).toEqual([
      'select 1',
      'select 2',
      'select 3',
      'select 4',
      'n COMMIT',
      'an BEGIN',
      'select 5',
      'n COMMIT',
      'select 6',
    ])
    const ended = told.filter((line) => line.includes(' ended '))
    expect(ended).toHaveLength(began.length)
    expect(told.filter((line) => line.startsWith('transaction'))).toHaveLength(4)
  })

  it('is told of errors, also of a caller that waits for a lease in vain', async () => {
    const { pool, clock, driver } = harness({ max: 1, acquireTimeoutMs: 100 })
    const lease = await pool.acquire()
    const { told, ...watcher } = watching()
    watchCalls(pool, watcher)
    const waits = [pool.acquire(), pool.query('select 1')].map((call) => call.catch(() => {}))
    await clock.advance(150)
    await Promise.all(waits)
    lease.release()
    driver.options.onStatement = () => ({ error: new Error('wrong') })
    await pool.query('select 2').catch(() => {})
    expect(told.filter((line) => /acquired|ended/.test(line))).toEqual([
      '1 acquired: AcquireTimeoutError after 100',
      '2 ended select 1: AcquireTimeoutError after 100',
      '3 ended select 2: Error after 0',
    ])
  })

  it('knows the pool, and is told nothing more when it stops, or when the pool is closed', async () => {
    const { pool } = harness()
    const one = watching()
    const stop = watchCalls(pool, one)
    expect(one.pools).toMatchObject([
      { name: 'test', endpoint: { host: 'localhost', database: 'app' }, sizes: { max: 2, min: 0 } },
    ])
    await pool.query('select 1')
    expect(one.pools[0]!.gauges()).toMatchObject({ total: 1, idle: 1 })
    stop()
    const { length } = one.told
    await pool.query('select 1')
    expect(one.told.slice(length - 1)).toEqual(['test stopped'])
    const other = watching()
    watchCalls(pool, other)
    await pool.close()
    expect(other.told.at(-1)).toBe('test stopped')
  })

  it('is the only one that observes a pool of connections; the next takes its place', async () => {
    const { pool } = harness()
    const [one, other] = [watching(), watching()]
    const stop = watchCalls(pool, one)
    watchCalls(pool, other)
    await pool.query('select 1')
    expect(other.told).toEqual([])
    stop()
    await pool.query('select 2')
    expect(other.told[0]).toBe('1 began select 2')
  })

  it('may add comments to what is sent, but for statements with names', async () => {
    const { pool, driver } = harness({ multiplex: 'auto' })
    const sent: string[] = []
    driver.options.onStatement = ({ text }) => {
      sent.push(text)
      return undefined
    }
    watchCalls(pool, watching(true))
    await pool.query('select 1')
    await pool.query({ name: 'one', text: 'select 1' })
    await pool.transaction(async (tx) => await tx.query('select 2'))
    expect(sent.filter((text) => text.startsWith('select'))).toEqual([
      'select 1 /*1*/',
      'select 1',
      'select 2 /*4*/',
    ])
  })

  it('reaches every pool behind a relay, also one that joins later, until it leaves', async () => {
    const [first, second] = [harness({ name: 'first' }).pool, harness({ name: 'second' }).pool]
    const hub = new EventHub()
    const relay = new EventRelay(hub, [first])
    const watcher = watching()
    watchCalls(relay as never, watcher)
    relay.add(second)
    await Promise.all([first.query('select 1'), second.query('select 2')])
    expect(watcher.pools.map(({ name }) => name)).toEqual(['first', 'second'])
    relay.remove(first)
    expect(watcher.told.at(-1)).toBe('first stopped')
    relay.stop()
    expect(watcher.told.at(-1)).toBe('second stopped')
    expect(hub.calls?.observer).toBeUndefined()
  })
})
