import { getEventListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { poolsOver } from '../support/servers/test-server.js'

const FAKES = [
  'setTimeout',
  'clearTimeout',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'Date',
  'performance',
  'queueMicrotask',
] as const

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  const openPool = poolsOver(make())
  afterEach(() => {
    vi.useRealTimers()
  })

  it('T16: works while a test runner has its fake timers installed', async () => {
    const { primary } = await cluster()
    vi.useFakeTimers({ toFake: [...FAKES] })
    const pool = openPool({ connection: primary.url, max: 2 })
    const big = 'x'.repeat(5_000)
    for (const text of ['a', big]) {
      const { rows } = await pool.query('select $1::text as t, now() > $2 as later', [
        text,
        new Date(0),
      ])
      expect(rows).toEqual([{ t: text, later: true }])
    }
    await pool.transaction(async (tx) => {
      await tx.query('create temp table fakes (n int) on commit drop')
      await tx.copyFrom('copy fakes from stdin', ['1\n', '2\n'])
      const rows: unknown[] = []
      for await (const row of tx.stream('select n from fakes order by n', [], { batchSize: 1 })) {
        rows.push(row)
      }
      expect(rows).toEqual([{ n: 1 }, { n: 2 }])
    })
    await expect(pool.query('select pg_sleep(10)', [], { timeoutMs: 50 })).rejects.toMatchObject({
      name: 'StatementTimeoutError',
    })
    vi.setSystemTime(new Date('2050-01-01'))
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    await pool.close()
    expect(vi.isFakeTimers()).toBe(true)
  })

  it('T16: goes on under fake timers that are installed and taken away while it is open', async () => {
    const { primary } = await cluster()
    const pool = openPool({ connection: primary.url, max: 1 })
    for (let round = 0; round < 3; round++) {
      vi.useFakeTimers({ toFake: [...FAKES] })
      await pool.query('select $1::int', [round])
      vi.useRealTimers()
      await pool.query('select $1::int', [round])
    }
    expect(pool.stats().counters.created).toBe(1)
  })

  it('T16: many calls share a signal with one listener on it, which goes with the last of them', async () => {
    const { primary } = await cluster()
    const pool = openPool({ connection: primary.url, max: 2 })
    const warnings: unknown[] = []
    const warned = (warning: Error): void => void warnings.push(warning.name)
    process.on('warning', warned)
    const { signal } = new AbortController()
    const listeners = (): number => getEventListeners(signal, 'abort').length
    const read = async (): Promise<void> => {
      for await (const _row of pool.stream('select generate_series(1, 300)', [], { signal })) {
        expect(listeners()).toBe(1)
      }
    }
    const copies = async (): Promise<void> => {
      for await (const _piece of pool.copyTo('copy (select 1) to stdout', { signal }));
      await pool.transaction(
        async (tx) => {
          await tx.query('create temp table copies (n int) on commit drop')
          await tx.copyFrom('copy copies from stdin', ['1\n'], { signal })
        },
        { signal },
      )
    }
    const calls: Promise<unknown>[] = Array.from({ length: 20 }, () =>
      pool.query('select pg_sleep(0.001)', [], { signal }),
    )
    for (let n = 0; n < 12; n++) {
      calls.push(pool.use((lease) => lease.query('select 1', [], { signal }), { signal }))
      calls.push(pool.transaction((tx) => tx.query('select 1', [], { signal }), { signal }))
      calls.push(read(), copies())
    }
    expect(listeners()).toBe(1)
    await Promise.all(calls)
    expect(listeners()).toBe(0)
    const failing = [
      pool.query('select 1/0', [], { signal }),
      pool.transaction((tx) => tx.query('select 1/0'), { signal }),
      pool.stream('select 1/0', [], { signal }).next(),
    ]
    for (const { status } of await Promise.allSettled(failing)) expect(status).toBe('rejected')
    expect(listeners()).toBe(0)
    await pause(1)
    process.off('warning', warned)
    expect(warnings).toEqual([])
  })

  it('T16: a signal that fires ends every call that shares it', async () => {
    const { primary } = await cluster()
    const pool = openPool({ connection: primary.url, max: 2 })
    const aborter = new AbortController()
    const { signal } = aborter
    const calls = Array.from({ length: 15 }, () =>
      pool.query('select pg_sleep(30)', [], { signal }),
    )
    await pause(50)
    aborter.abort(new Error('enough'))
    for (const end of await Promise.allSettled(calls)) {
      expect(end).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } })
    }
    expect(getEventListeners(signal, 'abort').length).toBe(0)
  })
})
