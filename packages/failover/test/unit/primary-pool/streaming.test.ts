import { DatabaseError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { a, b, clock, failover, makeCluster, race, ready, watch } from '../support/fake-cluster.js'

beforeEach(makeCluster)

const ROWS = { rows: [{ n: 1 }, { n: 2 }, { n: 3 }] }

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of stream) found.push(one)
  return found
}

describe('streams and copies', () => {
  it('run on the primary and leave nothing behind', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) => {
      if (text === 'rows') return ROWS
      return text === 'copy t to stdout' ? { pieces: ['1\n', '2\n'] } : undefined
    }
    expect(await all(pool.stream('rows', [], { batchSize: 2 }))).toEqual(ROWS.rows)
    expect(String(Buffer.concat(await all(pool.copyTo('copy t to stdout'))))).toBe('1\n2\n')
    expect(await pool.copyFrom('copy t from stdin', ['1\n'])).toMatchObject({ rowCount: 1 })
    expect(a.pool.stats()).toMatchObject({ leased: 0 })
    await pool.close()
  })

  it('are held while there is no primary, and then run on the new one', async () => {
    a.kill()
    const pool = failover()
    b.script = ({ text }) => (text === 'rows' ? ROWS : undefined)
    const rows = watch(all(pool.stream('rows')))
    const copy = watch(pool.copyFrom('copy t from stdin', ['1\n']))
    await clock.advance(1_000)
    expect(pool.stats().pending).toBe(2)
    b.promote()
    await clock.advance(1_000)
    expect(rows.value).toEqual(ROWS.rows)
    expect(copy.value).toMatchObject({ rowCount: 1 })
    await pool.close()
  })

  it('S70: begin on the next primary when a demoted one refuses them, unless a source was read', async () => {
    const pool = failover()
    await ready(pool)
    a.asReplica()
    b.promote()
    const error = new DatabaseError('read-only', { code: '25006', severity: 'ERROR' })
    a.script = ({ text }) => (/^(rows|copy)/.test(text) ? { error } : undefined)
    b.script = ({ text }) => (text === 'rows' ? ROWS : undefined)
    const copy = watch(pool.copyFrom('copy t from stdin', ['1\n']))
    const rows = watch(all(pool.stream('rows')))
    await clock.advance(1_000)
    expect(copy.error).toMatchObject({ code: '25006' })
    expect(rows.value).toEqual(ROWS.rows)
    await pool.close()
  })

  it('are held no longer than the limit of the call, without reading from the source', async () => {
    a.kill()
    const pool = failover()
    let read = false
    function* source(): Generator<string> {
      read = true
      yield '1\n'
    }
    const copy = watch(pool.copyFrom('copy t from stdin', source(), { timeoutMs: 500 }))
    const out = watch(pool.copyTo('copy t to stdout', { timeoutMs: 500 }).next())
    await clock.advance(505)
    expect(copy.error).toMatchObject({ name: 'NoPrimaryError', executed: 'no' })
    expect(out.error).toMatchObject({ name: 'NoPrimaryError', executed: 'no' })
    expect(read).toBe(false)
    await pool.close()
  })

  it('are never sent again once they have begun', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) => (text === 'rows' ? { ...ROWS, then: { lose: 'crash' } } : undefined)
    const stream = pool.stream('rows', [], { batchSize: 3 })
    for (let n = 0; n < 3; n++) await stream.next()
    const next = watch(stream.next())
    a.kill()
    b.promote()
    await clock.advance(2_000)
    expect(next.error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
    expect(b.executed).toEqual([])
    await pool.close()
  })

  it('end with the node that they read from, even while their reader is busy', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) => (text === 'rows' ? ROWS : undefined)
    const stream = pool.stream('rows', [], { batchSize: 1 })
    await stream.next()
    a.freeze()
    b.promote()
    await clock.advance(3_000)
    const next = watch(stream.next())
    await clock.settle()
    expect(next.error).toMatchObject({ name: 'ConnectionLostError', executed: 'rolled-back' })
    await race(pool.close({ timeoutMs: 0 }))
  })

  it('cannot begin or end a transaction', async () => {
    const pool = failover()
    await ready(pool)
    await expect(pool.stream('commit').next()).rejects.toThrow('pool.stream cannot begin or end')
    expect(a.executed).toEqual([])
    await pool.close()
  })
})
