import { describe, expect, it } from 'vitest'
import { ConnectError, type ConnectionBudget } from '../../../src/index.js'
import { type BudgetedPool, Turns } from '../../../src/kit.js'
import type { FakeConnection, FakeDriverOptions, FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'

/** What `pg_stat_activity` shows of a process: state, since when, what it waits for. */
type Activity = readonly [
  state: string | null,
  since: string | null,
  waitType?: string,
  waitEvent?: string,
]

const SERVER = {
  systemId: '7',
  startedAt: '100.5',
  address: '10.0.0.1',
  port: 5432,
  inRecovery: false,
}
const IDLE: Activity = ['idle', 'noon', 'Client', 'ClientRead']
const ACTIVE: Activity = ['active', 'noon']

interface Watched extends Harness {
  /** What is shown of each process; `gone` if it is not there. */
  backends: Map<number, Activity | 'gone'>
  /** How often the server was asked, by the number of the connection. */
  asked: number[]
}

/** A pool whose server never answers statements that begin with `hang`. */
function watched(
  options: Parameters<typeof harness>[0] = {},
  behaviour: Partial<FakeDriverOptions> = {},
): Watched {
  const backends = new Map<number, Activity | 'gone'>()
  const asked: number[] = []
  const onStatement = (
    { text }: { text: string },
    connection: FakeConnection,
  ): FakeReply | undefined => {
    if (text.startsWith('hang')) return { hang: true }
    const pids = /unnest\('\{([\d,]+)\}'/.exec(text)?.[1]
    if (pids === undefined) return undefined
    asked.push(connection.info.backendPid)
    return {
      rows: pids.split(',').map((pid) => {
        const found = backends.get(Number(pid)) ?? ACTIVE
        return found === 'gone' ? [pid, null, null, null, null, null] : [pid, pid, ...found]
      }),
    }
  }
  const made = harness(options, { server: () => SERVER, onStatement, ...behaviour })
  return { ...made, backends, asked }
}

describe('a busy connection that hears nothing', () => {
  it('T58: is destroyed when two answers, 100 ms apart, show its process idle and unchanged', async () => {
    const { pool, clock, backends } = watched()
    backends.set(1, IDLE)
    const call = watch(pool.query('hang'))
    await clock.advance(2_099)
    expect(call.state).toBe('pending')
    await clock.advance(10)
    expect(call.error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    expect(call.error?.message).toContain('process 1 waits for its client (idle)')
    expect(pool.stats()).toMatchObject({ total: 0, counters: { errors: 1, destroyed: 1 } })
  })

  it.each<[string, Activity | 'gone', Activity | 'gone']>([
    ['gone', 'gone', 'gone'],
    ['idle and then gone', IDLE, 'gone'],
    ['idle in its transaction', ['idle in transaction', 'noon'], ['idle in transaction', 'noon']],
    [
      'unable to get rid of its rows',
      ['active', 'noon', 'Client', 'ClientWrite'],
      ['active', 'noon', 'Client', 'ClientWrite'],
    ],
  ])('T58: is destroyed when its process is %s', async (_, first, second) => {
    const { pool, clock, backends, asked } = watched()
    backends.set(1, first)
    const call = watch(pool.query('hang'))
    await clock.advance(2_050)
    expect(asked).toEqual([2])
    backends.set(1, second)
    await clock.advance(100)
    expect(call.error).toMatchObject({ name: 'ConnectionLostError' })
  })

  it('T63: is destroyed all the same where the question fails for what the role is set to', async () => {
    const texts: string[] = []
    const { pool, clock } = watched(
      {},
      {
        onStatement: ({ text }) => {
          if (text.startsWith('hang')) return { hang: true }
          if (!text.includes('unnest(')) return undefined
          texts.push(text)
          const set = text.startsWith('set transaction isolation level read committed')
          return set ? { rows: [['1', '1', ...IDLE]] } : { error: sqlError('57014') }
        },
      },
    )
    const call = watch(pool.query('hang'))
    await clock.advance(2_200)
    expect(call.error).toMatchObject({ name: 'ConnectionLostError' })
    expect(texts).toHaveLength(3)
  })

  it.each<[string, Activity, Activity]>([
    ['is at work', ACTIVE, ACTIVE],
    ['waits for a lock', ['active', 'noon', 'Lock', 'tuple'], ['active', 'noon', 'Lock', 'tuple']],
    ['may not be seen', [null, null], [null, null]],
    ['is not tracked', ['disabled', null], ['disabled', null]],
    ['was idle and is at work', IDLE, ACTIVE],
    ['was idle, and is so anew', IDLE, ['idle', 'a minute past noon']],
    ['has begun to wait for its client', ACTIVE, IDLE],
  ])('T58: is left alone when its process %s', async (_, first, second) => {
    const { pool, clock, backends } = watched({ statementTimeoutMs: 3_900 })
    backends.set(1, first)
    const call = watch(pool.query('hang'))
    await clock.advance(2_050)
    backends.set(1, second)
    await clock.advance(1_800)
    expect(call.state).toBe('pending')
    expect(pool.stats().counters).toMatchObject({ errors: 0, destroyed: 0 })
    await clock.advance(1_000)
    expect(call.error).toMatchObject({ name: 'StatementTimeoutError' })
  })

  it('T58: is asked about again and again over one connection, which is closed when the answer has come', async () => {
    const { pool, clock, driver, asked } = watched({}, { statementMs: 9_500 })
    driver.options.statementMs = () => 0
    await pool.warm(1)
    let slow = 9_500
    driver.options.statementMs = () => {
      const ms = slow
      slow = 0
      return ms
    }
    const call = watch(pool.query('select 1'))
    await clock.advance(9_000)
    expect(asked).toEqual([2, 2, 2, 2])
    expect(driver.attempts).toBe(2)
    expect(driver.open.size).toBe(2)
    await clock.advance(2_000)
    expect(call.state).toBe('resolved')
    expect(driver.open.size).toBe(1)
  })

  it('T58: is destroyed once its process is through with a slow statement', async () => {
    const { pool, clock, backends } = watched()
    const call = watch(pool.query('hang'))
    await clock.advance(5_000)
    backends.set(1, IDLE)
    await clock.advance(1_200)
    expect(call.error).toMatchObject({ name: 'ConnectionLostError' })
  })

  it('T58: is believed when its answer comes while the server is asked', async () => {
    const { pool, clock, backends, driver } = watched({}, { statementMs: 0 })
    await pool.warm(1)
    let first = true
    driver.options.statementMs = () => {
      const ms = first ? 2_050 : 0
      first = false
      return ms
    }
    backends.set(1, IDLE)
    const call = watch(pool.query('select 1'))
    await clock.advance(2_500)
    expect(call.state).toBe('resolved')
    expect(pool.stats().counters).toMatchObject({ destroyed: 0 })
  })

  it('T58: is not asked about where its server does not say when it was started', async () => {
    const { pool, clock, driver } = watched({}, { server: () => ({}) })
    watch(pool.query('hang'))
    await clock.advance(10_000)
    expect(driver.attempts).toBe(1)
  })

  it('T58: is asked about at the server that it leads to, and not at another life of it', async () => {
    let attempt = 0
    const { pool, clock, driver, asked, backends } = watched(
      {},
      { server: ({ info }) => ({ ...SERVER, startedAt: info.backendPid < 3 ? '1' : '2' }) },
    )
    driver.options.onConnect = () => {
      attempt++
      return undefined
    }
    backends.set(1, 'gone')
    const first = watch(pool.query('hang'))
    await clock.advance(1_000)
    // Takes the number that would be the same life.
    await pool.warm(2)
    await clock.advance(3_000)
    expect(asked).toEqual([])
    expect(first.state).toBe('pending')
    expect(attempt).toBeGreaterThan(1)
  })

  it('T58: is not asked about behind a pooler, noticed or declared, nor when its process is another one', async () => {
    for (const options of [{}, { pooler: 'pgbouncer' as const }, { pooler: 'none' as const }]) {
      const { pool, clock, driver } = watched(options, { answeringPid: () => 4711 })
      watch(pool.query('hang'))
      await clock.advance(5_000)
      expect(driver.attempts).toBe(1)
    }
  })

  it('T58: is asked about with pooler none where its process is its own', async () => {
    const { pool, clock, backends } = watched({ pooler: 'none' })
    backends.set(1, IDLE)
    const call = watch(pool.query('hang'))
    await clock.advance(2_200)
    expect(call.state).toBe('rejected')
  })

  it('T58: is not asked about with watchdog false, which can be changed', async () => {
    const { pool, clock, driver, backends } = watched({ watchdog: false })
    backends.set(1, IDLE)
    const call = watch(pool.query('hang'))
    await clock.advance(5_000)
    expect(driver.attempts).toBe(1)
    pool.reconfigure({ watchdog: { silenceMs: 6_000 } })
    await clock.advance(900)
    expect(call.state).toBe('pending')
    await clock.advance(300)
    expect(call.state).toBe('rejected')
    pool.reconfigure({ watchdog: false })
    watch(pool.query('hang'))
    await clock.advance(20_000)
    expect(pool.stats().leased).toBe(1)
  })

  it('T58: is given the time that its statement may take over a slow line', async () => {
    const { pool, clock, backends } = watched()
    backends.set(1, IDLE)
    const call = watch(pool.query('hang $1', ['x'.repeat(64_000)]))
    await clock.advance(3_990)
    expect(call.state).toBe('pending')
    await clock.advance(200)
    expect(call.state).toBe('rejected')
  })

  it('T58: is left to its borrower when the driver itself was lent', async () => {
    const { pool, clock, driver } = watched()
    const lease = await pool.acquire()
    void lease.raw
    watch(lease.query('hang'))
    await clock.advance(5_000)
    expect(driver.attempts).toBe(1)
  })

  it('T58: casts doubt on connections that were idle beside it', async () => {
    const { pool, clock, backends, session } = watched()
    await pool.warm(2)
    backends.set(2, IDLE)
    watch(pool.query('hang'))
    await clock.advance(2_200)
    const other = session()
    expect(other.statements).toEqual([])
    await pool.query('select 1')
    expect(other.statements).toEqual(['', 'select 1'])
  })
})

describe('the connection that asks', () => {
  it('T58: stands outside max, and a server that is full is asked again later and later', async () => {
    const { pool, clock, driver, backends } = watched({ max: 1, acquireTimeoutMs: 60_000 })
    backends.set(1, IDLE)
    const call = watch(pool.query('hang'))
    const behind = watch(pool.query('select 1'))
    const endpoint = 'h:1/d'
    driver.options.onConnect = () => new ConnectError('full', { endpoint, sqlState: '53300' })
    await clock.advance(3_900)
    expect(driver.attempts).toBe(2)
    await clock.advance(10_000)
    expect(driver.attempts).toBe(4)
    expect(call.state).toBe('pending')
    delete driver.options.onConnect
    await clock.advance(4_500)
    expect(call.state).toBe('rejected')
    expect(behind.state).toBe('resolved')
  })

  it('T58: is broken when it is not answered itself, and another one takes its place', async () => {
    const { pool, clock, driver, backends } = watched()
    const { onStatement } = driver.options
    backends.set(1, IDLE)
    const call = watch(pool.query('hang'))
    driver.options.onStatement = (statement, connection) =>
      connection.info.backendPid === 2 ? { hang: true } : onStatement!(statement, connection)
    await clock.advance(2_390)
    expect(driver.open.size).toBe(2)
    await clock.advance(20)
    expect(driver.open.size).toBe(1)
    await clock.advance(2_200)
    expect(driver.attempts).toBeGreaterThan(2)
    expect(call.state).toBe('rejected')
  })

  it('T58: is closed with the pool, which asks nothing any more', async () => {
    const { pool, clock, driver } = watched()
    watch(pool.query('hang'))
    await clock.advance(3_000)
    expect(driver.open.size).toBe(2)
    const closing = watch(pool.close({ timeoutMs: 100 }))
    await clock.advance(5_000)
    expect(closing.state).toBe('resolved')
    expect(driver.open.size).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })

  it('T58: of pools that share a budget is there once at a time', async () => {
    const turns = new Turns()
    const budget: ConnectionBudget = {
      join: (_: BudgetedPool) => ({
        take: () => true,
        giveBack: () => {},
        owes: () => false,
        outside: () => {},
        leave: () => {},
        turns,
      }),
    }
    const pools = [1, 2, 3].map(() => watched({ budget }))
    const calls = pools.map(({ pool, backends }) => {
      backends.set(1, IDLE)
      return watch(pool.query('hang'))
    })
    const asking = (): number => pools.filter(({ driver }) => driver.open.size > 1).length
    let most = 0
    for (let ms = 0; ms < 4_000; ms += 10) {
      for (const { clock } of pools) await clock.advance(10)
      most = Math.max(most, asking())
    }
    expect(most).toBe(1)
    expect(calls.map(({ state }) => state)).toEqual(['rejected', 'rejected', 'rejected'])
  })

  it('T58: is given up when the answer comes before it is open', async () => {
    const { pool, clock, driver } = watched({}, { statementMs: 0 })
    await pool.warm(1)
    driver.options.connectMs = 1_500
    let first = true
    driver.options.statementMs = () => {
      const ms = first ? 2_100 : 0
      first = false
      return ms
    }
    watch(pool.query('select 1'))
    await clock.advance(2_050)
    expect(driver.connecting).toBe(1)
    await clock.advance(1_200)
    expect(driver.connecting).toBe(0)
    expect(driver.open.size).toBe(1)
  })
})
