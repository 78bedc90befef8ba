import { createPool, isPoolhouseError } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { createPgPool } from '@poolhouse/node-postgres/compat'
import { type FaultProxy, startFaultProxy } from '@poolhouse/testkit'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { testServer } from '../../support/servers/test-server.js'
import { until } from '../../support/until.js'

guardProcess()
const server = testServer({}, 0)
const driver = nodePostgres()

describe.each(['eager', 'lazy'] as const)('a client that loses its session, %s', (checkout) => {
  /** A client in a transaction that has inserted a row, through a proxy. */
  async function begin(
    statementTimeoutMs?: number,
  ): Promise<{ pool: pg.Pool; client: pg.PoolClient; proxy: FaultProxy }> {
    const proxy = await startFaultProxy(server.url)
    onTestFinished(() => proxy.close())
    const pool = createPgPool(
      createPool({
        driver,
        connection: proxy.url(server.url),
        max: 1,
        ...(statementTimeoutMs && { statementTimeoutMs }),
      }),
      {
        checkout,
      },
    )
    onTestFinished(() => pool.end())
    await pool.query('create table if not exists kept (n int)')
    await pool.query('truncate kept')
    const client = await pool.connect()
    await client.query('begin')
    await client.query('insert into kept values (1)')
    return { pool, client, proxy }
  }

  const ENDS = ['rollback to savepoint s', ' ROLLBACK;', 'commit', 'abort', 'release savepoint s']

  test.each(['at once', 'once it is cleared away'])(
    'says of a COMMIT in doubt that it is in doubt, whatever ends the transaction after it, %s',
    async (when) => {
      const { pool, client, proxy } = await begin()
      proxy.dropCommitAnswer({ then: 'reset' })
      const lost = await failureOf(client.query('commit'))
      expect([isPoolhouseError(lost), lost.executed]).toEqual([true, 'unknown'])
      if (when !== 'at once') await until(() => pool.totalCount === 0)
      for (const text of ENDS) expect(await failureOf(client.query(text))).toBe(lost)
      client.release()
      expect((await pool.query('select n from kept')).rows).toEqual([{ n: 1 }])
    },
  )

  test('says of a COMMIT that ran into its time that it is in doubt, to the ROLLBACK that finds the session gone', async () => {
    const { client, proxy } = await begin(300)
    proxy.dropCommitAnswer({ then: 'hang' })
    const late = await failureOf(client.query('commit'))
    expect([isPoolhouseError(late), late.executed]).toEqual([true, 'unknown'])
    for (let time = 0; time < 2; time++) {
      expect(await failureOf(client.query('rollback'))).toBe(late)
    }
    client.release()
  })

  test('says nothing of a statement outside of a transaction to what ends one', async () => {
    const { client, proxy } = await begin()
    await client.query('rollback')
    proxy.dropAnswers({ to: (text) => text.includes('(2)'), then: 'reset' })
    const lost = await failureOf(client.query('insert into kept values (2)'))
    expect([isPoolhouseError(lost), lost.executed]).toEqual([true, 'unknown'])
    await client.query('begin').catch(() => {})
    const refused = await failureOf(client.query('select nothing_of_this'))
    expect(refused).not.toBe(lost)
    expect(await client.query('commit').catch((error: unknown) => error)).not.toBe(lost)
    client.release()
  })

  test('says of a lost transaction what its statement said', async () => {
    const { pool, client, proxy } = await begin()
    proxy.dropAnswers({ to: (text) => text.includes('(2)'), then: 'reset' })
    const lost = await failureOf(client.query('insert into kept values (2)'))
    expect(isPoolhouseError(lost)).toBe(true)
    expect(await failureOf(client.query('rollback'))).toBe(lost)
    client.release()
    expect((await pool.query('select n from kept')).rows).toEqual([])
  })

  test('says nothing of the loss to a statement that ends nothing', async () => {
    const { client, proxy } = await begin()
    proxy.dropCommitAnswer({ then: 'reset' })
    const lost = await failureOf(client.query('commit'))
    for (const text of [
      'insert into kept values (3)',
      'commit; select 1',
      `rollback prepared 'p'`,
    ]) {
      const refused = await failureOf(client.query(text))
      expect(refused).not.toBe(lost)
      expect(refused.executed).not.toBe('unknown')
    }
    client.release()
  })

  test('says nothing of the work where the error went to a query that was submitted', async () => {
    const { client, proxy } = await begin()
    proxy.dropCommitAnswer({ then: 'reset' })
    const query = new pg.Query('commit')
    const heard = new Promise<unknown>((resolve) => query.once('error', resolve))
    client.query(query)
    await heard
    const refused = await failureOf(client.query('rollback'))
    expect([isPoolhouseError(refused), refused.executed]).toEqual([false, undefined])
    client.release()
  })
})
