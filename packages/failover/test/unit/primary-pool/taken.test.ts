import { DatabaseError, type Statement } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { a, b, clock, failover, makeCluster, ready } from '../support/fake-cluster.js'

beforeEach(makeCluster)

/** Records what a server was given to run, apart from probes. */
function recorded(seen: unknown[]): (statement: Statement) => undefined {
  return ({ text, values }) => {
    if (text.startsWith('insert')) seen.push([text, values])
    return undefined
  }
}

describe('what is sent', () => {
  it('T14: are the values as they were at the call, for a call that was held', async () => {
    const seen: unknown[] = []
    b.script = recorded(seen)
    a.kill()
    const pool = failover()
    let asked = 0
    const counting = { toPostgres: () => String(++asked) }
    const values: unknown[] = [[1, 2], counting]
    const statement = { text: 'insert 2', values }
    const options = { timeoutMs: 5_000 }
    const calls = [pool.query('insert 1', values, options), pool.query(statement, options)]
    values.splice(0, 2, 'changed', 'changed')
    statement.text = 'insert 3'
    options.timeoutMs = 1
    await clock.advance(1_000)
    b.promote()
    await clock.advance(1_000)
    await Promise.all(calls)
    expect(seen).toEqual([
      ['insert 1', ['{1,2}', '1']],
      ['insert 2', ['{1,2}', '2']],
    ])
    await pool.close()
  })

  it('T14: are the values as they were at the call, for a call that is sent again', async () => {
    const seen: unknown[] = []
    const record = recorded(seen)
    a.script = (statement) => {
      record(statement)
      if (seen.length !== 1 || !statement.text.startsWith('insert')) return undefined
      return { error: new DatabaseError('read-only', { code: '25006', severity: 'ERROR' }) }
    }
    const pool = failover()
    await ready(pool)
    let asked = 0
    const values = [{ toPostgres: () => String(++asked) }, new Date(0)]
    const call = pool.query('insert 1', values)
    values.length = 0
    await clock.advance(3_000)
    await call
    expect(seen.length).toBe(2)
    expect(seen[1]).toEqual(seen[0])
    expect(asked).toBe(1)
    await pool.close()
  })
})
