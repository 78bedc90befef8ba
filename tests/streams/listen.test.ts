import type { Clock, Gap } from '@poolhouse/core'
import { systemClock } from '@poolhouse/core/kit'
import { startFaultProxy } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { startChild } from '../children/child-script.js'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'

guardProcess()
// Passwords are asked for, so that the URL's is used whatever drivers accept by default.
const server = testServer({ auth: 'scram-sha-256' })
const LISTENERS = `application_name = 'poolhouse-listen'`

describe.each(DRIVERS)('listen over $driver', ({ driver, make }) => {
  const makePool = server.poolsOver(make())

  const notify = (channel: string, payload = ''): Promise<unknown> =>
    server.sql('select pg_notify($1, $2)', [channel, payload])

  it('misses nothing that is sent once it has resolved', async () => {
    const pool = makePool({ max: 1 })
    const heard: string[] = []
    for (let round = 0; round < 30; round++) {
      await pool.listen(`channel ${round}`, (payload) => heard.push(payload))
      await pool.query('select pg_notify($1, $2)', [`channel ${round}`, String(round)])
    }
    await until(() => heard.length === 30, 'the notifications')
    expect(heard).toEqual(Array.from({ length: 30 }, (_, round) => String(round)))
    expect(await server.sessions(LISTENERS)).toBe(1)
    expect(pool.stats()).toMatchObject({ total: 1, max: 1 })
  })

  it('takes any name that a channel can have, and any payload', async () => {
    const pool = makePool()
    const names = ['Jobs', 'jobs', 'a "quoted"; one', "it's", '数据', 'select', '"'.repeat(63)]
    const heard: string[] = []
    for (const name of names) {
      await pool.listen(name, (payload, channel) => heard.push(`${channel}=${payload}`))
    }
    const payload = `"';\\ \n${'ü'.repeat(3_900)}`
    for (const name of names) await notify(name, payload)
    await until(() => heard.length === names.length, 'the notifications')
    expect(heard).toEqual(names.map((name) => `${name}=${payload}`))
  })

  it('tells each commit in order, once to each subscriber', async () => {
    const pool = makePool()
    const heard: [string[], string[]] = [[], []]
    for (const list of heard) await pool.listen('orders', (payload) => list.push(payload))
    await pool.transaction(async (tx) => {
      await tx.query(`select pg_notify('orders', 'a' || n) from generate_series(1, 500) n`)
    })
    await pool
      .transaction(async (tx) => {
        await tx.query(`select pg_notify('orders', 'undone')`)
        await tx.rollback()
      })
      .catch(() => {})
    await notify('orders', 'last')
    await until(() => heard.every((list) => list.at(-1) === 'last'), 'the notifications')
    const expected = [...Array.from({ length: 500 }, (_, index) => `a${index + 1}`), 'last']
    expect(heard).toEqual([expected, expected])
  })

  it('leaves a channel with its last subscriber, and the server with the last of all', async () => {
    const pool = makePool()
    const heard: string[] = []
    const note = (payload: string): void => void heard.push(payload)
    const [first, second] = [await pool.listen('a', note), await pool.listen('b', note)]
    await first.close()
    const [row] = await server.sql<{ query: string }>(
      `select query from pg_stat_activity where ${LISTENERS}`,
    )
    expect(row?.query).toBe('UNLISTEN "a"')
    await notify('a', 'a')
    await notify('b', 'b')
    await until(() => heard.length > 0, 'the notification')
    expect(heard).toEqual(['b'])
    await second.close()
    await until(async () => (await server.sessions(LISTENERS)) === 0, 'the session to end')
    const again = await pool.listen('a', note)
    await pool.close()
    expect(again).toMatchObject({ closed: true, listening: false })
    await until(async () => (await server.sessions(LISTENERS)) === 0, 'the session to end')
    await expect(pool.listen('a', note)).rejects.toMatchObject({ name: 'PoolClosedError' })
  })

  it('is back after the server has ended its session or was restarted, and says so before anything else', async () => {
    const pool = makePool({ acquireTimeoutMs: 20_000 })
    const diary: string[] = []
    const gaps: Gap[] = []
    const onGap = (gap: Gap): void => {
      gaps.push(gap)
      diary.push('gap')
    }
    const subscription = await pool.listen('a', (payload) => diary.push(payload), { onGap })
    const breaks = [
      () => server.sql(`select pg_terminate_backend(pid) from pg_stat_activity where ${LISTENERS}`),
      () => server.cluster.primary.restart(),
      () => pool.recycle(),
    ]
    for (const [index, brk] of breaks.entries()) {
      const begunAt = performance.now()
      await brk()
      await until(() => gaps.length === index + 1, 'the gap')
      expect(gaps[index]!.forMs).toBeGreaterThan(0)
      expect(subscription).toMatchObject({ closed: false, listening: true })
      await notify('a', `after ${index}`)
      await until(() => diary.at(-1) === `after ${index}`, 'the notification')
      expect(performance.now() - begunAt).toBeLessThan(15_000)
    }
    expect(diary).toEqual(['gap', 'after 0', 'gap', 'after 1', 'gap', 'after 2'])
    expect(gaps[0]!.reason).toMatchObject({ cause: { code: '57P01' } })
    expect(await server.sessions(LISTENERS)).toBe(1)
  })

  it('hears every notification once and in order, or has it in a gap, whatever becomes of the line', async () => {
    // Ten times as fast, so that a check comes each second and a silent line is given up half a
    // second later. Latency would be ten times as long, so the line goes to the server itself.
    await using proxy = await startFaultProxy(server.cluster.primary.url)
    const pool = makePool({
      connection: proxy.url(),
      clock: fastClock(10),
      random: () => 0.5,
      connectTimeoutMs: 20_000,
    })
    const heard: number[] = []
    const gaps: { from: number; to: number }[] = []
    const subscription = await pool.listen('ledger', (payload) => heard.push(Number(payload)), {
      onGap: ({ forMs }) => {
        const to = performance.now()
        gaps.push({ from: to - forMs / 10, to })
      },
    })
    const sent: { from: number; to: number }[] = []
    let on = true
    const sending = (async () => {
      const sender = await makePool({ name: 'sender' }).acquire()
      while (on) {
        const from = performance.now()
        await sender.query('select pg_notify($1, $2)', ['ledger', String(sent.length)])
        sent.push({ from, to: performance.now() })
      }
      sender.release()
    })()
    const healthy = async (): Promise<void> => {
      const from = sent.length
      await until(() => (heard.at(-1) ?? -1) >= from, 'news after the fault')
    }
    const faults: (() => void)[] = [
      () => proxy.cut(),
      () => proxy.reset(),
      () => proxy.refuse({ existing: 'reset' }),
      () => proxy.blackHole(),
    ]
    for (const [index, fault] of faults.entries()) {
      await healthy()
      using watch = new Stopwatch()
      fault()
      if (index >= 2) {
        await until(() => !subscription.listening, 'the loss to be noticed')
        // A second to the next check and half of one for its answer, and as much again for a busy
        // machine.
        expect(watch.elapsedMs).toBeLessThan(3_000)
        await proxy.heal()
      }
      await until(() => gaps.length === index + 1, 'the gap')
    }
    await healthy()
    on = false
    await sending
    await until(() => heard.at(-1) === sent.length - 1, 'the last one')
    expect(heard).toEqual([...new Set(heard)].sort((one, other) => one - other))
    const known = new Set(heard)
    const unexplained = [...sent.entries()].filter(
      ([number, { from, to }]) =>
        !known.has(number) && !gaps.some((gap) => gap.from <= to && from <= gap.to),
    )
    expect(unexplained).toEqual([])
    expect(known.size).toBeLessThan(sent.length)
  })

  it('runs the functions it was given in the async context of the call, and survives what they throw', async () => {
    const { AsyncLocalStorage } = await import('node:async_hooks')
    const storage = new AsyncLocalStorage<string>()
    const pool = makePool()
    const faults: unknown[] = []
    const contexts: (string | undefined)[] = []
    pool.on('error', ({ error }) => faults.push(error))
    const fault = new Error('of the application')
    await storage.run('caller', () =>
      pool.listen('a', () => {
        contexts.push(storage.getStore())
        throw fault
      }),
    )
    await notify('a')
    await notify('a')
    await until(() => contexts.length === 2, 'the notifications')
    expect(contexts).toEqual(['caller', 'caller'])
    await until(() => faults.length === 2, 'the error events')
    expect(faults).toEqual([fault, fault])
  })

  it('is refused in time by a server that is not there', async () => {
    await using proxy = await startFaultProxy(server.url)
    const pool = makePool({ connection: proxy.url() })
    proxy.refuse()
    using watch = new Stopwatch()
    await expect(pool.listen('a', () => {}, { timeoutMs: 300 })).rejects.toMatchObject({
      name: 'ConnectError',
      executed: 'no',
      cause: { name: 'ConnectError' },
    })
    await proxy.heal()
    proxy.blackHole()
    await expect(pool.listen('a', () => {}, { timeoutMs: 300 })).rejects.toMatchObject({
      name: 'ConnectError',
    })
    expect(watch.elapsedMs).toBeLessThan(3_000)
    await pool.close()
  })

  describe('a process that has nothing to do but listen', () => {
    it('lives until its subscription is closed, and not longer', async () => {
      const child = startChild('listening-child', [server.url, driver])
      await child.said('listening')
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(child.process.exitCode).toBeNull()
      await server.sql('select pg_notify($1, $2)', ['end', 'the end'])
      expect(await child.ended).toBe(0)
      expect(child.lines).toEqual(['listening', 'heard the end', 'closed'])
    })
  })
})

/** The system's clock, running faster. */
function fastClock(times: number): Clock {
  return {
    now: () => systemClock.now() * times,
    wallNow: () => systemClock.wallNow(),
    setTimer: (fire, delayMs, options) => systemClock.setTimer(fire, delayMs / times, options),
    afterIo: (fire) => systemClock.afterIo(fire),
  }
}
