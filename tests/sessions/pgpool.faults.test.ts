import { type ConnectionPool, createPool } from '@poolhouse/core'
import { type Cluster, type Pgpool, startCluster, startPgpool } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

let cluster: Cluster
let pgpool: Pgpool

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 })
  pgpool = await startPgpool({
    targets: cluster.nodes.map(({ url }) => url),
    loadBalance: true,
    // Reads go to the replica alone, so that what is left behind there is met.
    settings: {
      backend_weight0: 0,
      statement_level_load_balance: 'on',
      // With a list a lone question that unlocks counts as a read.
      write_function_list: 'nextval,setval',
    },
  })
}, 180_000)

afterAll(async () => {
  await pgpool?.stop()
  await cluster?.stop()
})

describe.each(DRIVERS)("pooler: 'none' behind a Pgpool-II that balances, $driver", ({ make }) => {
  const poolOf = (): ConnectionPool =>
    createPool({ driver: make(), connection: pgpool.url, max: 1, pooler: 'none' })

  it.each([
    ['SET', "set application_name = 'left'", 'application_name'],
    ['SET of a custom parameter', "set app.tenant = 'left'", 'app.tenant'],
    ['set_config', "select set_config('app.tenant', 'left', false)", 'app.tenant'],
    ['SET search_path', 'set search_path = pg_catalog', 'search_path'],
  ])('X01: %s reaches no later borrower, on no server', async (_what, change, name) => {
    await using pool = poolOf()
    const look = async () => {
      const { rows } = await pool.query<{ replica: boolean; value: string }>(
        `select inet_server_port() = ${cluster.replicas[0]!.port} as replica,
          current_setting('${name}', true) as value`,
      )
      return rows[0]!
    }
    const before = await look()
    expect(before.replica).toBe(true)
    await pool.use((lease) => lease.query(change))
    for (let round = 0; round < 4; round++) {
      const { value } = await look()
      expect(value || '').toBe(before.value ?? '')
    }
    // The same on the primary, where a transaction that writes is.
    const onPrimary = await pool.transaction(async (tx) => {
      await tx.query('create temp table written (n int) on commit drop')
      const text = `select current_setting('${name}', true) as value`
      return (await tx.query<{ value: string }>(text)).rows[0]!.value
    })
    expect(onPrimary || '').toBe(before.value ?? '')
  })

  it('X01: an advisory lock on the primary is met by no later borrower', async () => {
    await using pool = poolOf()
    await pool.use(async (lease) => {
      await lease.query('begin')
      await lease.query('create temp table written (n int) on commit drop')
      await lease.query('select pg_advisory_lock(7)')
      await lease.query('commit')
    })
    await pool.query('select 1')
    const locks = await cluster.primary.sql(`select from pg_locks where locktype = 'advisory'`)
    expect(locks).toEqual([])
    expect(pool.stats().counters.destroyed).toBe(0)
  })

  it('X01: a statement that SQL has prepared is met by no later borrower', async () => {
    await using pool = poolOf()
    await pool.use((lease) => lease.query("prepare left_behind as select 'left'"))
    await expect(pool.query('execute left_behind')).rejects.toMatchObject({ code: '26000' })
  })
})
