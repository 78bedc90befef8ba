import { beforeEach, describe, expect, test } from 'vitest'
import type { Transaction } from '../../../src/index.js'
import type { OutcomeResolver } from '../../../src/outcome/transaction-outcome.js'
import { IDENTITY_QUERY } from '../../../src/transaction/transaction-identity.js'
import { type Harness, harness } from '../../harness.js'

const SET = 'set transaction isolation level serializable'
const AGAIN = `ROLLBACK AND CHAIN; ${SET}`
const ROW = { xid: '7', pid: 8, lsn: '0/10', begun_at: 'now', wal_file: '00000003000000000000000A' }

const resolver = (() => ({}) as OutcomeResolver) as never

let it: Harness
/** What was sent since BEGIN. */
let texts: string[]

beforeEach(() => {
  texts = []
  it = harness(
    {},
    {
      onStatement: ({ text }) => {
        texts.push(text)
        return text.includes(IDENTITY_QUERY) ? { rows: [ROW] } : undefined
      },
    },
  )
})

async function sent(work: (tx: Transaction) => Promise<unknown>): Promise<string[]> {
  const done = it.pool.transaction(work, { resolver })
  await it.clock.advance(100)
  await done
  const [begin, ...rest] = texts
  expect(begin).toBe(`BEGIN; ${IDENTITY_QUERY}`)
  return rest
}

describe('SET TRANSACTION where the identity of the transaction has been asked for', () => {
  test('begins anew if it is the first statement, and the identity is taken before COMMIT', async () => {
    expect(await sent((tx) => tx.query(SET))).toEqual([AGAIN, IDENTITY_QUERY, 'COMMIT'])
  })

  test('is sent as it is behind a statement, whose work must stay', async () => {
    const rest = await sent(async (tx) => {
      await tx.query('insert 1')
      await tx.query(SET)
      await tx.query(SET)
    })
    expect(rest).toEqual(['insert 1', SET, SET, 'COMMIT'])
  })

  test('is sent as it is behind a copy, whose rows must stay', async () => {
    const rest = await sent(async (tx) => {
      await tx.copyFrom('copy t from stdin', ['1\n'])
      await tx.query(SET)
      await tx.query(SET)
    })
    expect(rest.filter((text) => text === AGAIN)).toEqual([])
  })

  test('is sent as it is in a savepoint and behind it, which must stay', async () => {
    const inside = await sent((tx) => tx.savepoint((nested) => nested.query(SET)))
    expect(inside).toEqual([
      'SAVEPOINT poolhouse_1',
      SET,
      'RELEASE SAVEPOINT poolhouse_1',
      'COMMIT',
    ])
    texts = []
    const behind = await sent(async (tx) => {
      await tx.savepoint(async () => {})
      await tx.query(SET)
    })
    expect(behind).toEqual([
      'SAVEPOINT poolhouse_1',
      'RELEASE SAVEPOINT poolhouse_1',
      SET,
      'COMMIT',
    ])
  })
})
