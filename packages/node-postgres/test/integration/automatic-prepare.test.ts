import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSession, type TestSession } from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 })
})

afterAll(async () => {
  await cluster?.stop()
})

const prepared = async (session: TestSession): Promise<string[]> => {
  const { rows } = await session.query<{ statement: string }>(
    'select statement from pg_prepared_statements order by 1',
  )
  return rows.map((row) => row.statement)
}

describe('automatic preparation', () => {
  it('prepares only statements with values, from the configured use on', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 2, max: 10 },
    })
    const text = 'select $1::int + 1 as n'
    await session.query(text, [1])
    await session.query('select 1')
    expect(await prepared(session)).toEqual([])
    expect((await session.query(text, [2])).rows).toEqual([{ n: 3 }])
    expect((await session.query(text, [3])).rows).toEqual([{ n: 4 }])
    expect(await prepared(session)).toEqual([text])
  })

  it('keeps no more statements on the server than allowed', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 4 },
    })
    for (let index = 0; index < 20; index++) {
      const { rows } = await session.query(`select $1::int + ${index} as n`, [1])
      expect(rows).toEqual([{ n: 1 + index }])
    }
    expect((await prepared(session)).length).toBeLessThanOrEqual(4)
  })

  it('survives a change of the table and DISCARD ALL', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 4 },
    })
    await session.query('create temp table fruit (id int)')
    await session.query('insert into fruit values ($1)', [1])
    const text = 'select * from fruit where id = $1'
    expect((await session.query(text, [1])).rows).toEqual([{ id: 1 }])
    await session.query(`alter table fruit add column name text default 'fig'`)
    expect((await session.query(text, [1])).rows).toEqual([{ id: 1, name: 'fig' }])
    await session.query('deallocate all')
    expect((await session.query(text, [1])).rows).toEqual([{ id: 1, name: 'fig' }])
  })

  it('prepares nothing when it is off', async () => {
    await using session = await openSession(cluster, cluster.primary)
    for (let use = 0; use < 5; use++) await session.query('select $1::int as n', [use])
    expect(await prepared(session)).toEqual([])
  })

  it('never repeats a procedure whose inner statement was lost, because it may have committed before', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 4 },
    })
    await session.query('create table if not exists done (id int)')
    await session.query(`
      create or replace procedure half(i int) language plpgsql as $$
      begin
        insert into done values (i);
        commit;
        execute 'execute nosuch';
      end $$`)
    const call = session.query('call half($1)', [50])
    await expect(call).rejects.toMatchObject({ code: '26000' })
    expect((await session.query('select id from done')).rows).toEqual([{ id: 50 }])
  })
})
