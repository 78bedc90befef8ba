import { type Cluster, startCluster } from '@poolhouse/testkit'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, openSession, type TestSession, untilRunning } from '../open-session.js'

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

  it('keeps no more statements on the server than allowed, unlike postgres.js', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 4 },
    })
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 12; index++) {
        const { rows } = await session.query(`select $1::int + ${index} as n`, [1])
        expect(rows).toEqual([{ n: 1 + index }])
      }
    }
    expect((await prepared(session)).length).toBeLessThanOrEqual(4)
  })

  it('closes statements on the server in a failed transaction too', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 2 },
    })
    await session.query('begin')
    for (let index = 0; index < 6; index++) {
      if (index === 3) expect(await failure(session.query('select 1/0'))).toBeInstanceOf(Error)
      const use = session.query(`select $1::int + ${index} as n`, [1])
      if (index < 3) expect((await use).rows).toEqual([{ n: 1 + index }])
      else expect(await failure(use)).toMatchObject({ code: '25P02' })
    }
    await session.query('rollback')
    expect((await session.query('select $1::int as n', [1])).rows).toEqual([{ n: 1 }])
    expect((await prepared(session)).length).toBeLessThanOrEqual(2)
  })

  it('survives a change of the table, DEALLOCATE ALL and DISCARD ALL', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 4 },
    })
    await session.query('create table fruit (id int)')
    await session.query('insert into fruit values ($1)', [1])
    const text = 'select * from fruit where id = $1'
    expect((await session.query(text, [1])).rows).toEqual([{ id: 1 }])
    await session.query(`alter table fruit add column name text default 'fig'`)
    const changed = await session.query(text, [1])
    expect(changed.rows).toEqual([{ id: 1, name: 'fig' }])
    expect(changed.fields.map((field) => field.name)).toEqual(['id', 'name'])
    for (const lose of ['deallocate all', 'discard all']) {
      await session.query(lose)
      expect((await session.query(text, [1])).rows).toEqual([{ id: 1, name: 'fig' }])
    }
  })
})

describe('a statement that is prepared', () => {
  it('returns the columns that were described once, including modifiers, with every result', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const statement = {
      name: 'sized',
      text: `select 'fig'::varchar(7) as name, 1.5::numeric(5,2) as n`,
    }
    const first = await session.query(statement)
    expect(first.fields).toMatchObject([
      { name: 'name', dataTypeID: 1043, dataTypeModifier: 11 },
      { name: 'n', dataTypeID: 1700, dataTypeModifier: 327_686 },
    ])
    expect(await session.query(statement)).toEqual(first)
  })

  it('is separate for the pool and for raw, also with the same text', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const sql = session.connection.raw as Sql
    const text = 'select $1::int as n'
    for (let use = 0; use < 3; use++) {
      expect((await session.query({ name: 'n', text, values: [use] })).rows).toEqual([{ n: use }])
      expect([...(await sql.unsafe(text, [use], { prepare: true }))]).toEqual([{ n: use }])
    }
    expect(await prepared(session)).toEqual([text, text])
  })

  it('is closed without disturbing a statement on raw', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      prepare: { after: 1, max: 2 },
    })
    const sql = session.connection.raw as Sql
    const sleep = 'select 1 as n, pg_sleep(1)'
    for (let index = 0; index < 4; index++) await session.query(`select $1::int + ${index}`, [1])
    const raw = sql.unsafe(sleep).execute()
    await untilRunning(cluster, session, sleep)
    const ours = session.query('select $1::int as mine', [7])
    expect((await raw)[0]).toMatchObject({ n: 1 })
    expect((await ours).rows).toEqual([{ mine: 7 }])
    expect((await session.query('select $1::int as again', [8])).rows).toEqual([{ again: 8 }])
    expect((await prepared(session)).length).toBeLessThanOrEqual(2)
  })
})
