import { expect, test } from 'vitest'
import { type Harness, hangsIfSlow, harness, sqlError, watch } from '../../harness.js'
import { call, laneOf } from '../lane/lane-pool.js'

/** How many statements were counted, and how long all of them took. */
function counted({ pool }: Harness): [number, number] {
  const { histograms, queryMs } = pool.stats()
  const { count, sum, counts } = histograms.queryMs
  expect(counts.reduce((all, held) => all + held)).toBe(count)
  expect(queryMs.max).toBeLessThanOrEqual(sum)
  return [count, Math.round(sum)]
}

test('T120: counts a statement from its call to its answer, the wait for a connection included', async () => {
  const it = harness({ max: 1 }, { connectMs: 20, statementMs: 5 })
  const both = [watch(it.pool.query('update a')), watch(it.pool.query('update b'))]
  await it.clock.advance(40)
  expect(both.map(({ state }) => state)).toEqual(['resolved', 'resolved'])
  expect(counted(it)).toEqual([2, 25 + 30])
  expect(it.pool.stats().histograms.createMs).toMatchObject({ count: 1, sum: 20 })
})

test('T120: counts the statements of leases, transactions, batches and arrays', async () => {
  const it = harness({}, { statementMs: 1 })
  const work = watch(
    it.pool.use(async (lease) => {
      await lease.query('select 1')
      await lease.batch(['select 2', 'select 3'])
    }),
  )
  await it.clock.advance(10)
  expect(work.state).toBe('resolved')
  expect(counted(it)[0]).toBe(3)
  const transaction = watch(it.pool.transaction((tx) => tx.query('insert')))
  await it.clock.advance(10)
  expect(transaction.state).toBe('resolved')
  // The statement and COMMIT; BEGIN travels in front of the statement and is part of its time.
  expect(counted(it)[0]).toBe(5)
})

test('T120: counts statements that share a connection', async () => {
  const it = await laneOf({}, { statementMs: 2 })
  const [before] = counted(it)
  const calls = Array.from({ length: 10 }, () => call(it))
  await it.clock.advance(50)
  expect(calls.every(({ state }) => state === 'resolved')).toBe(true)
  expect(counted(it)[0]).toBe(before + 10)
})

test('T120: counts statements that fail, time out or are refused', async () => {
  const it = harness(
    { max: 1, acquireTimeoutMs: 50 },
    {
      onStatement: (statement) =>
        statement.text === 'bad' ? { error: sqlError('42601') } : hangsIfSlow(statement),
    },
  )
  const ends = [
    watch(it.pool.query('bad')),
    watch(it.pool.query('slow', [], { timeoutMs: 30 })),
    watch(it.pool.query('insert', [], { timeoutMs: 20 })),
  ]
  await it.clock.advance(10_000)
  expect(ends.map(({ state }) => state)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(counted(it)[0]).toBe(3)
})

test('T120: counts no question of a monitor', async () => {
  const it = harness()
  const session = watch(it.pool.openSession())
  await it.clock.advance(10)
  const answer = watch(session.value!.query('select pg_is_in_recovery()'))
  await it.clock.advance(10)
  expect(answer.state).toBe('resolved')
  expect(counted(it)).toEqual([0, 0])
  expect(it.pool.inspect().slowest).toEqual([])
})

test('T122: counts an error of the server once, and what a cancel of ours has caused as a time-out only', async () => {
  const it = harness(
    {},
    {
      onStatement: (statement) =>
        statement.text === 'bad' ? { error: sqlError('42601') } : hangsIfSlow(statement),
    },
  )
  const ends = [watch(it.pool.query('bad')), watch(it.pool.query('slow', [], { timeoutMs: 30 }))]
  await it.clock.advance(10_000)
  expect(ends.map(({ state }) => state)).toEqual(['rejected', 'rejected'])
  expect(it.pool.stats().counters).toMatchObject({ errors: 1, timeouts: 1 })
})

test('T123: inspect() shows the slowest texts without values', async () => {
  const it = harness({}, { statementMs: 3 })
  const ends = [watch(it.pool.query('insert $1', ['secret'])), watch(it.pool.query('update x'))]
  await it.clock.advance(20)
  expect(ends.map(({ state }) => state)).toEqual(['resolved', 'resolved'])
  const { slowest } = it.pool.inspect()
  expect(slowest.map(({ statement }) => statement).sort()).toEqual(['insert $1', 'update x'])
  expect(JSON.stringify(slowest)).not.toContain('secret')
})
