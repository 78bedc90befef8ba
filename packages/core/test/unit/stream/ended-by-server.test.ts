import { expect, test } from 'vitest'
import type { ConnectionPool } from '../../../src/index.js'
import type { FakeReply } from '../../../src/testing/index.js'
import { harness, sqlError, watch } from '../../harness.js'
import { all, numbers } from '../../streams.js'

const ENDED = { error: sqlError('57P01', 'FATAL') }
const REPLIES: Record<string, FakeReply> = {
  first: ENDED,
  rows: { rows: numbers(3), then: ENDED },
  'copy first to stdout': ENDED,
  'copy t to stdout': { pieces: ['1\n', '2\n'], then: ENDED },
  'copy first from stdin': ENDED,
  'copy t from stdin': { takes: 1, then: ENDED },
  'copy last from stdin': { then: ENDED },
}

const stream = (text: string) => (pool: ConnectionPool) =>
  all(pool.stream(text, [], { batchSize: 2 }))
const copyTo = (text: string) => (pool: ConnectionPool) => all(pool.copyTo(text))
const copyFrom = (text: string) => (pool: ConnectionPool) =>
  pool.copyFrom(text, [new Uint8Array(65_536).fill(0x61), new Uint8Array(65_536).fill(0x61)])

const CALLS: [string, (pool: ConnectionPool) => Promise<unknown>][] = [
  ['a query', (pool) => pool.query('first')],
  ['a stream before its first row', stream('first')],
  ['a stream between its rows', stream('rows')],
  ['copyTo before its first piece', copyTo('copy first to stdout')],
  ['copyTo between its pieces', copyTo('copy t to stdout')],
  ['copyFrom before its first piece', copyFrom('copy first from stdin')],
  ['copyFrom between its pieces', copyFrom('copy t from stdin')],
  ['copyFrom at its end', copyFrom('copy last from stdin')],
  ['a stream of a lease', (pool) => pool.use((lease) => all(lease.stream('rows')))],
  ['a stream in a transaction', (pool) => pool.transaction((tx) => all(tx.stream('rows')))],
  ['a query of a lease', (pool) => pool.use((lease) => lease.query('first'))],
  ['a transaction', (pool) => pool.transaction((tx) => tx.query('first'))],
]

test.each(CALLS)(
  'T104: the connection on which the server ended %s goes to no caller that waits',
  async (_what, call) => {
    const it = harness({ max: 1 }, { onStatement: ({ text }) => REPLIES[text] })
    const ended = watch(call(it.pool))
    const waiting = [
      watch(it.pool.query('select')),
      watch(all(it.pool.stream('select'))),
      watch(all(it.pool.copyTo('copy t2 to stdout'))),
      watch(it.pool.use((lease) => lease.query('select'))),
    ]
    await it.clock.advance(5_000)
    expect(ended.error).toBeDefined()
    expect(waiting.map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined])
    expect(it.driver.attempts).toBe(2)
    expect(it.driver.violations).toEqual([])
  },
)
