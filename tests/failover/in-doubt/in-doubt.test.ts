import { InDoubtError, type Transaction } from '@poolhouse/core'
import type { FailoverPool } from '@poolhouse/failover'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../../support/drivers.js'
import { failureOf } from '../../support/failure-of.js'
import { type ProxiedCluster, startProxiedCluster } from '../support/proxied-cluster.js'

let setup: ProxiedCluster

beforeAll(async () => {
  setup = await startProxiedCluster({ replicas: 0 })
})
afterAll(() => setup[Symbol.asyncDispose]())

async function rows(): Promise<number[]> {
  const found = await setup.node('a').sql<{ id: number }>('select id from rows order by id')
  return found.map(({ id }) => id)
}

const insert = (id: number) => (tx: Transaction) => tx.query('insert into rows values ($1)', [id])

async function doubtOf(call: Promise<unknown>): Promise<InDoubtError> {
  const error = await failureOf(call)
  expect(error).toBeInstanceOf(InDoubtError)
  return error as InDoubtError
}

describe.each(DRIVERS)('over $driver', ({ make }) => {
  /** A pool that has found its primary, over an empty table. */
  async function openPool(): Promise<FailoverPool> {
    await setup.node('a').sql('truncate rows')
    const pool = setup.pool(make())
    await pool.query('select 1')
    return pool
  }

  it('S75: a COMMIT whose answer was lost is resolved as committed', async () => {
    const pool = await openPool()
    setup.proxy.dropCommitAnswer()
    const error = await doubtOf(pool.transaction(insert(1)))
    expect(await error.resolve()).toBe('committed')
    expect(await rows()).toEqual([1])
  })

  it('S76: a COMMIT that never arrived is resolved as aborted', async () => {
    const pool = await openPool()
    setup.proxy.dropCommitRequest()
    const error = await doubtOf(pool.transaction(insert(1)))
    expect(await error.resolve()).toBe('aborted')
    expect(await rows()).toEqual([])
  })

  it('S75, S76, T95: an array whose COMMIT or whose answer was lost is resolved', async () => {
    const pool = await openPool()
    const array = [{ text: 'insert into rows values ($1)', values: [1] }, 'select 1']
    setup.proxy.dropCommitRequest()
    const aborted = await doubtOf(pool.transaction(array))
    expect(await aborted.resolve()).toBe('aborted')
    expect(await rows()).toEqual([])
    setup.proxy.dropCommitAnswer()
    const committed = await doubtOf(pool.transaction(array))
    expect(await committed.resolve()).toBe('committed')
    expect(await rows()).toEqual([1])
  })

  it('S80: a transaction whose connection is lost in the middle leaves both rows or none, never the second alone', async () => {
    const pool = await openPool()
    const loseBetween = async (attempts: number): Promise<unknown> => {
      let runs = 0
      const call = pool.transaction(
        async (tx) => {
          await insert(1)(tx)
          if (++runs === 1) setup.proxy.reset()
          await insert(2)(tx)
        },
        { retry: { attempts } },
      )
      return await call.catch((error: unknown) => error)
    }
    expect(await loseBetween(1)).toMatchObject({ executed: 'rolled-back' })
    expect(await rows()).toEqual([])
    expect(await loseBetween(3)).toBeUndefined()
    expect(await rows()).toEqual([1, 2])
  })

  it('S81: a lone INSERT whose answer is lost is done once, and its outcome stays unknown', async () => {
    const pool = await openPool()
    setup.proxy.dropAnswers({ to: (text) => text.includes('insert into rows') })
    const error = await doubtOf(pool.query('insert into rows values ($1)', [1]))
    expect(await error.resolve({ timeoutMs: 100 })).toBe('unknown')
    expect(await rows()).toEqual([1])
  })

  it('a transaction may begin with SET TRANSACTION, and is still resolved', async () => {
    const pool = await openPool()
    setup.proxy.dropCommitAnswer()
    const error = await doubtOf(
      pool.transaction(async (tx) => {
        await tx.query('set transaction isolation level serializable')
        const found = await tx.query('show transaction_isolation')
        expect(found.rows).toEqual([{ transaction_isolation: 'serializable' }])
        await insert(1)(tx)
      }),
    )
    expect(await error.resolve()).toBe('committed')
    await pool.transaction((tx) => tx.query('set transaction read only'))
  })
})
