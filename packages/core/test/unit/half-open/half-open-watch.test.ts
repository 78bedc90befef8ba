import { describe, expect, it } from 'vitest'
import { ConnectError, type ConnectionBudget } from '../../../src/index.js'
import { type BudgetedPool, Turns } from '../../../src/kit.js'
import type { FakeConnection, FakeDriverOptions, FakeReply } from '../../../src/testing/index.js'
import { type Harness, harness, sqlError, watch } from '../../harness.js'

/**
 * What `pg_stat_activity` shows of a process: state, since when, what it waits for; and the bytes
 * that `pg_stat_progress_copy` shows.
 */
type Activity = readonly [
  state: string | null,
  since: string | null,
  waitType?: string,
  waitEvent?: string,
  received?: string,
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

  it('T63: is destroyed as well where settings of the role make the question fail', async () => {
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

  it('T58: is destroyed once its process has finished a slow statement', async () => {
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

describe('an upload that hears nothing', () => {
  const COPY = 'copy t from stdin'
  const at = (received?: string): Activity =>
    received === undefined
      ? ['active', 'noon', 'Client', 'ClientRead']
      : ['active', 'noon', 'Client', 'ClientRead', received]
  const BUSY: Activity = ['active', 'noon', 'Lock', 'tuple', '70']

  /** A pool whose server takes `takes` pieces of a COPY and then says nothing. */
  function uploading(takes: number): Watched & { texts: string[] } {
    const texts: string[] = []
    const made = watched({ statementTimeoutMs: 20_000 })
    const { onStatement } = made.driver.options
    made.driver.options.onStatement = (statement, connection) => {
      texts.push(statement.text)
      if (statement.text === COPY) return { takes, then: { hang: true } }
      return onStatement!(statement, connection)
    }
    return { ...made, texts }
  }

  it.each<[string, number, 'rolled-back' | 'unknown']>([
    ['that no more of its data goes out', 1, 'rolled-back'],
    ['for the answer to the end of its data', 9, 'unknown'],
  ])(
    'T58: is lost when it waits %s and two rounds show that none arrives',
    async (_, takes, executed) => {
      const { pool, clock, backends, asked } = uploading(takes)
      backends.set(1, at('70'))
      const call = watch(pool.copyFrom(COPY, [Buffer.alloc(40_000)]))
      await clock.advance(2_900)
      expect(call.state).toBe('pending')
      expect(asked).toEqual([2])
      await clock.advance(700)
      expect(asked).toEqual([2, 2])
      expect(call.error).toMatchObject({ name: 'ConnectionLostError', executed })
      expect(call.error?.message).toContain(
        'process 1 waits for its client (ClientRead), at byte 70',
      )
      expect(pool.stats().counters).toMatchObject({ errors: 1, destroyed: 1, timeouts: 0 })
    },
  )

  it.each<[string, Activity, Activity]>([
    ['receives data, a message at a time', at('70'), at('16454')],
    ['is at work and then waits', BUSY, at('70')],
    ['waits and is at work then', at('70'), BUSY],
    ['is asked about by a role that may not see its progress', at(), at()],
    ['waits anew', at('70'), ['active', 'a minute past noon', 'Client', 'ClientRead', '70']],
  ])('T58: is left alone while its process %s', async (_, first, second) => {
    const { pool, clock, backends, asked } = uploading(1)
    const call = watch(pool.copyFrom(COPY, [Buffer.alloc(40_000)]))
    for (let round = 0; round < 6; round++) {
      const [state, since, ...rest] = round % 2 === 0 ? first : second
      // Neither state lasts.
      const moved = since === 'noon' || round < 2 ? since : `${since} ${round}`
      backends.set(1, [state, moved, ...rest])
      await clock.advance(round === 0 ? 2_100 : 2_550)
      expect(asked).toHaveLength(round + 1)
    }
    expect(call.state).toBe('pending')
    expect(pool.stats().counters).toMatchObject({ errors: 0, destroyed: 0 })
  })

  it('T58: is left alone while its source owes the data, and judged anew from what is sent next', async () => {
    const { pool, clock, backends, asked } = uploading(9)
    backends.set(1, at('70'))
    let give: () => void = () => undefined
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let piece = 0; piece < 3; piece++) {
        yield Buffer.alloc(16_384)
        await new Promise<void>((resolve) => {
          give = resolve
        })
      }
    }
    const call = watch(pool.copyFrom(COPY, source()))
    for (let piece = 0; piece < 3; piece++) {
      await clock.advance(8_000)
      expect(asked).toEqual([])
      give()
    }
    await clock.advance(2_900)
    expect(call.state).toBe('pending')
    await clock.advance(700)
    expect(call.error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
  })

  it('T58: is left to its deadline, and statements beside it are not, where the role may not read the progress of a COPY', async () => {
    const { pool, clock, backends, driver } = uploading(1)
    const { onStatement } = driver.options
    driver.options.onStatement = (statement, connection) =>
      statement.text.includes('pg_stat_progress_copy')
        ? { error: sqlError('42501') }
        : onStatement!(statement, connection)
    backends.set(1, at())
    const upload = watch(pool.copyFrom(COPY, [Buffer.alloc(40_000)]))
    await clock.advance(5_000)
    backends.set(3, IDLE)
    const beside = watch(pool.query('hang'))
    await clock.advance(5_000)
    expect(beside.error).toMatchObject({ name: 'ConnectionLostError' })
    expect(upload.state).toBe('pending')
    await clock.advance(15_000)
    expect(upload.error).toMatchObject({ name: 'StatementTimeoutError' })
  })

  it('T58: is the only reason to ask for the progress of a COPY', async () => {
    const { pool, clock, texts } = uploading(1)
    watch(pool.query('hang'))
    await clock.advance(3_000)
    expect(texts.filter((text) => text.includes('pg_stat_activity'))).toHaveLength(1)
    expect(texts.filter((text) => text.includes('pg_stat_progress_copy'))).toEqual([])
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

  it('T58: exists once at a time among pools that share a budget', async () => {
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

  it('T58: is abandoned when the answer comes before it is open', async () => {
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
