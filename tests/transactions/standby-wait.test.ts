import {
  type ConnectionPool,
  createPool,
  type PoolOptions,
  type Transaction,
} from '@poolhouse/core'
import type { Cluster } from '@poolhouse/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { until } from '../support/until.js'

const LOCAL = { executed: 'yes', durability: 'local' }

/** Process ids of the sessions that wait for a standby. */
async function waiting(cluster: Cluster): Promise<number[]> {
  const rows = await cluster.primary.sql<{ pid: number }>(
    "select pid from pg_stat_activity where wait_event = 'SyncRep'",
  )
  return rows.map(({ pid }) => pid)
}

/**
 * Whether a commit waits for a standby. A session that knows the setting does not yet: the
 * checkpointer must have read it too.
 */
async function commitsWait(cluster: Cluster): Promise<boolean> {
  let over = false
  const write = cluster.primary.sql('insert into t21 values (0)').finally(() => {
    over = true
  })
  let pid: number | undefined
  await until(async () => {
    pid = (await waiting(cluster))[0]
    return over || pid !== undefined
  })
  if (pid !== undefined) await cluster.primary.sql('select pg_cancel_backend($1)', [pid])
  await write
  return pid !== undefined
}

describe.each(everyServer())(
  'a write that waits for a synchronous standby that is gone, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    let servers: Cluster
    beforeAll(async () => {
      servers = await cluster()
      // The sessions that look on do not wait themselves, and no standby of this name will ever
      // come.
      for (const text of [
        `set synchronous_commit = local; drop table if exists t21;
        create table t21 (id int); grant all on t21 to public`,
        "alter system set synchronous_standby_names = 'gone'",
        'select pg_reload_conf()',
      ]) {
        await servers.primary.sql(text)
      }
      await until(() => commitsWait(servers), 'commits to wait')
    })

    const open = (options: Partial<PoolOptions> = {}): ConnectionPool =>
      createPool({ driver: make(), connection: servers.primary.url, max: 2, ...options })

    const isThere = async (id: number): Promise<boolean> =>
      (await servers.primary.sql(`select 1 from t21 where id = ${id}`)).length === 1

    it('T21: is told as committed on the primary alone when our own deadline has cut its wait short', async () => {
      await using pool = open({ statementTimeoutMs: 300 })
      const error = await failureOf(pool.query('insert into t21 values (1)'))
      expect(error).toMatchObject({ name: 'StatementTimeoutError', timeoutMs: 300, ...LOCAL })
      expect(await isThere(1)).toBe(true)
      const own = await failureOf(
        pool.query('insert into t21 values ($1)', [2], { timeoutMs: 250 }),
      )
      expect(own).toMatchObject({ name: 'StatementTimeoutError', timeoutMs: 250, ...LOCAL })
      expect(await isThere(2)).toBe(true)
      // Reads go on, with the same connection.
      expect(await pool.query('select 1 as one')).toMatchObject({
        rows: [{ one: 1 }],
        durability: 'configured',
      })
      expect(pool.stats().counters.destroyed).toBe(0)
    })

    it('T21: is told so when its signal has cut it short', async () => {
      await using pool = open()
      const abort = new AbortController()
      const call = failureOf(pool.query('insert into t21 values (3)', [], { signal: abort.signal }))
      await until(async () => (await waiting(servers)).length === 1, 'the wait')
      abort.abort('gone')
      expect(await call).toMatchObject({ name: 'AbortError', cause: 'gone', ...LOCAL })
      expect(await isThere(3)).toBe(true)
    })

    it('T21: is told so by a transaction, whatever has cut its COMMIT short', async () => {
      for (const [id, by] of [
        [4, 'statementTimeoutMs'],
        [5, 'timeoutMs'],
        [6, 'signal'],
      ] as const) {
        await using pool = open(by === 'statementTimeoutMs' ? { statementTimeoutMs: 300 } : {})
        const abort = new AbortController()
        let seen: Transaction | undefined
        const call = failureOf(
          pool.transaction(
            async (tx) => {
              seen = tx
              await tx.query('insert into t21 values ($1)', [id])
            },
            {
              ...(by === 'timeoutMs' ? { timeoutMs: 400 } : {}),
              ...(by === 'signal' ? { signal: abort.signal } : {}),
            },
          ),
        )
        if (by === 'signal') {
          await until(async () => (await waiting(servers)).length === 1, 'the wait')
          abort.abort('gone')
        }
        const name = by === 'signal' ? 'AbortError' : 'StatementTimeoutError'
        expect(await call, by).toMatchObject({ name, ...LOCAL })
        expect(seen?.durability).toBe('local')
        expect(await isThere(id)).toBe(true)
      }
    })

    it('T21: is told so by leases, streams and copies', async () => {
      await using pool = open({ statementTimeoutMs: 300 })
      const used = await failureOf(pool.use((lease) => lease.query('insert into t21 values (7)')))
      expect(used).toMatchObject(LOCAL)
      const streamed = await failureOf(
        (async () => {
          for await (const _ of pool.stream('insert into t21 values (8), (9) returning id'));
        })(),
      )
      expect(streamed).toMatchObject({ name: 'StatementTimeoutError', ...LOCAL })
      const copied = await failureOf(pool.copyFrom('copy t21 from stdin', ['10\n']))
      expect(copied).toMatchObject({ name: 'StatementTimeoutError', ...LOCAL })
      for (const id of [7, 8, 9, 10]) expect(await isThere(id)).toBe(true)
    })

    it('T21: succeeds and says how safe it is when others cancel its wait', async () => {
      await using pool = open()
      const heard: unknown[] = []
      pool.on('durability', (event) => heard.push(event))
      const call = pool.query('insert into t21 values (11)')
      await until(async () => {
        const [pid] = await waiting(servers)
        if (pid !== undefined) await servers.primary.sql(`select pg_cancel_backend(${pid})`)
        return pid !== undefined
      }, 'the wait')
      expect(await call).toMatchObject({ rowCount: 1, durability: 'local' })
      expect(heard).toMatchObject([{ durability: 'local' }])
    })

    it('T21: is known to be done when others end its session', async () => {
      await using pool = open()
      const call = failureOf(pool.query('insert into t21 values (12)'))
      await until(async () => {
        const [pid] = await waiting(servers)
        if (pid !== undefined) await servers.primary.sql(`select pg_terminate_backend(${pid})`)
        return pid !== undefined
      }, 'the wait')
      expect(await call).toMatchObject(LOCAL)
      expect(await isThere(12)).toBe(true)
    })

    it('T89: a statement that is given up says the same, whether its signal or its time-out has ended it', async () => {
      await using pool = open()
      await pool.query('select 1')
      const text = 'insert into t21 select 13 from pg_sleep(20)'
      const late = await failureOf(pool.query(text, [], { timeoutMs: 100 }))
      const aborted = await failureOf(pool.query(text, [], { signal: AbortSignal.timeout(100) }))
      expect(late).toMatchObject({ name: 'StatementTimeoutError', executed: 'rolled-back' })
      expect(aborted).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
      const read = async (signal: AbortSignal): Promise<void> => {
        for await (const _ of pool.stream('select pg_sleep(20)', [], { signal }));
      }
      const streamed = await failureOf(read(AbortSignal.timeout(100)))
      expect(streamed).toMatchObject({ name: 'AbortError', executed: 'rolled-back' })
    })
  },
)
