import { ConnectionLostError, DatabaseError, InDoubtError } from '@poolhouse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  a,
  b,
  clock,
  failover,
  listen,
  makeCluster,
  ready,
  watch,
} from '../support/fake-cluster.js'

beforeEach(makeCluster)

describe('transactions', () => {
  it('S80: does not run the callback again unless that was declared', async () => {
    const pool = failover()
    await ready(pool)
    let runs = 0
    const call = watch(
      pool.transaction(async (tx) => {
        runs++
        await tx.query('insert 1')
        a.kill()
        b.promote()
        await tx.query('insert 2')
      }),
    )
    await clock.advance(1_000)
    expect(call.error).toBeInstanceOf(ConnectionLostError)
    expect(['no', 'rolled-back']).toContain((call.error as ConnectionLostError).executed)
    expect(runs).toBe(1)
    expect(b.executed).toEqual([])
    await pool.close()
  })

  it('runs a declared callback again on the new primary', async () => {
    const pool = failover()
    await ready(pool)
    const nodes: unknown[] = []
    const call = watch(
      pool.transaction(
        async (tx) => {
          nodes.push((await tx.query('insert 1')).node)
          if (nodes.length === 1) {
            a.kill()
            b.promote()
          }
          await tx.query('insert 2')
          return 'done'
        },
        { retry: { attempts: 2 } },
      ),
    )
    await clock.advance(1_000)
    expect(call.value).toBe('done')
    expect(nodes).toEqual(['a', 'b'])
    expect(b.executed).toEqual(['BEGIN', 'insert 1', 'insert 2', 'COMMIT'])
    await pool.close()
  })

  it('never lets a fenced node run a declared callback again, although it answers', async () => {
    const pool = failover()
    await ready(pool)
    const nodes: unknown[] = []
    const call = watch(
      pool.transaction(
        async (tx) => {
          nodes.push((await tx.query('insert 1')).node)
          if (nodes.length === 1) {
            b.promote()
            await pool.topology.refresh('a test')
          }
          await tx.query('insert 2')
        },
        { retry: { attempts: 3 } },
      ),
    )
    await clock.advance(1_000)
    expect(call).toHaveProperty('value')
    expect(nodes).toEqual(['a', 'b'])
    await pool.close()
  })

  it('S83: runs a declared callback again after a serialization failure, no more often than declared', async () => {
    const pool = failover()
    await ready(pool)
    a.script = ({ text }) =>
      text === 'insert 1'
        ? { error: new DatabaseError('could not serialize', { code: '40001', severity: 'ERROR' }) }
        : undefined
    let runs = 0
    const call = watch(
      pool.transaction(
        (tx) => {
          runs++
          return tx.query('insert 1')
        },
        { retry: { attempts: 3 } },
      ),
    )
    await clock.advance(1_000)
    expect(call.error).toMatchObject({ code: '40001' })
    expect(runs).toBe(3)
    await pool.close()
  })

  it('S75: reports a COMMIT without an answer as in doubt and never runs it again', async () => {
    const pool = failover()
    await ready(pool)
    const heard = listen(pool, 'in-doubt')
    a.script = ({ text }) => (text === 'COMMIT' ? { lose: 'reset by peer' } : undefined)
    let runs = 0
    const call = watch(
      pool.transaction(
        (tx) => {
          runs++
          return tx.query('insert 1')
        },
        { retry: { attempts: 5 } },
      ),
    )
    await clock.advance(1_000)
    expect(call.error).toBeInstanceOf(InDoubtError)
    expect(runs).toBe(1)
    expect(heard).toHaveLength(1)
    await pool.close()
  })

  it('runs use() once, however it fails', async () => {
    const pool = failover()
    await ready(pool)
    let runs = 0
    const call = watch(
      pool.use(async (lease) => {
        runs++
        a.kill()
        b.promote()
        await lease.query('insert 1')
      }),
    )
    await clock.advance(1_000)
    expect(call.error).toBeInstanceOf(ConnectionLostError)
    expect(runs).toBe(1)
    await pool.close()
  })
})
