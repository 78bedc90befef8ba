import { readdir, readFile } from 'node:fs/promises'
import { postgresJs } from '@poolhouse/postgres-js'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ReplicaCluster, startReplicaCluster } from '../read-replicas/replica-cluster.js'
import { guardProcess } from '../support/process-guards.js'
import {
  fromAwsWrapper,
  fromDrizzle,
  fromPgPool,
  fromPostgresJs,
  replicatedPgPool,
  transfer,
  type Urls,
} from './migrations.js'

const GUIDES = new URL('../../docs/guides/', import.meta.url)
// What a page imports, `tests/docs/snippets` compiles.
const withoutImports = (text: string): string => text.replaceAll(/^import .*\n/gm, '')
const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll(', )', ')').trim()
const pages = (await readdir(GUIDES)).filter((name) => name.startsWith('migrate-from-'))

describe('the migration guides', () => {
  it.each(pages)('%s shows code as it is compiled here, and what changes', async (page) => {
    const guide = await readFile(new URL(page, GUIDES), 'utf8')
    const compiled = plain(await readFile(new URL('./migrations.ts', import.meta.url), 'utf8'))
    const snippets = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, text]) =>
      plain(withoutImports(text!)),
    )
    expect(snippets.length).toBeGreaterThan(0)
    for (const snippet of snippets) expect(compiled).toContain(snippet)
    for (const heading of ['Before', 'After', 'What changes']) {
      expect(guide).toContain(`\n## ${heading}\n`)
    }
  })
})

describe('what the migration guides show', () => {
  guardProcess()
  let setting: ReplicaCluster
  let urls: Urls
  beforeAll(async () => {
    setting = await startReplicaCluster()
    const { primary, b, c } = setting
    urls = { primary: primary.url, replicas: [b.url, c.url] }
    await primary.sql('create table accounts (id int primary key, balance int not null)')
    await primary.sql('insert into accounts values (1, 10)')
    await primary.sql('grant all on accounts to public')
  })
  afterAll(() => setting?.[Symbol.asyncDispose]())

  it('runs on one server in the place of pg.Pool', async () => {
    const pool = fromPgPool(urls.primary)
    expect((await pool.query('select balance from accounts where id = $1', [1])).rows).toEqual([
      { balance: 10 },
    ])
    await pool.end()
  })

  it('runs over replicas as a pg.Pool', async () => {
    const { database, pool } = replicatedPgPool(urls)
    await database.ready()
    expect(await transfer(pool)).toBe('done')
    const { rows } = await pool.query('select balance from accounts where id = 1')
    expect(rows).toEqual([{ balance: 9 }])
    await pool.end()
  })

  it('runs over replicas as the sql of postgres.js', async () => {
    expect(postgresJs().name).toBe('postgres.js')
    const sql = fromPostgresJs(urls)
    await sql`insert into accounts values (2, 20)`
    expect([...(await sql`select balance from accounts where id = ${2}`)]).toEqual([
      { balance: 20 },
    ])
    await sql.end()
  })

  it('runs over replicas under Drizzle', async () => {
    const accounts = pgTable('accounts', { id: integer().primaryKey(), balance: integer() })
    const { db, pool } = fromDrizzle(urls)
    await db.transaction((tx) => tx.insert(accounts).values({ id: 3, balance: 30 }))
    expect((await db.select().from(accounts)).filter(({ id }) => id === 3)).toEqual([
      { id: 3, balance: 30 },
    ])
    await pool.end()
  })

  it('follows the writer among the instances of a cluster', async () => {
    const { pool, primary } = fromAwsWrapper([urls.replicas[0]!, urls.primary])
    await primary.ready()
    const { rows } = await pool.query('insert into accounts values (4, 40) returning balance')
    expect(rows).toEqual([{ balance: 40 }])
    await pool.end()
  })
})
