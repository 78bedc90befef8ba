import { createMarkerTable, createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { expect, test } from 'vitest'
import { sharedCluster } from '../../support/servers/shared-cluster.js'
import { checkSnippets } from './check-snippets.js'
import { findOutdatedCopies } from './find-outdated-copies.js'
import { readExamples } from './read-examples.js'
import { findPages, readSnippets } from './read-snippets.js'
import { runSnippets } from './run-snippets.js'

const cluster = sharedCluster({ replicas: 2, auth: 'scram-sha-256' })
const snippets = (await Promise.all((await findPages()).map(readSnippets))).flat()
const examples = await readExamples()

test('every block of code of the documentation and every example of a doc comment compiles against the public entry points', () => {
  expect(snippets.length).toBeGreaterThan(80)
  expect(examples.length).toBeGreaterThan(200)
  const compiled = snippets.filter(({ treatment }) => treatment !== 'compare')
  expect(checkSnippets([...compiled, ...examples])).toEqual([])
}, 120_000)

test('every block of code of the documentation that is part of a recipe is there line by line', async () => {
  expect(await findOutdatedCopies(snippets)).toEqual([])
})

test('every block of code of the documentation that can run, runs on real servers', async () => {
  const servers = await cluster()
  await using pool = createPool({ driver: nodePostgres(), connection: servers.primary.url })
  await createMarkerTable(pool)
  for (const text of TABLES) await pool.query(text)
  const running = snippets.filter(({ treatment }) => treatment === 'run')
  expect(await runSnippets(running, servers)).toEqual([])
}, 240_000)

/** What the pages take for granted. */
const TABLES = [
  'create table orders (id bigint, item text, customer int, total int, year int default 2026, note text)',
  'create table users (id int primary key, name text not null)',
  'create table accounts (id int primary key, balance int not null)',
  'create table stock (item text, remaining int)',
  'create table hints (id bigint)',
  'create table invoices (id int)',
  'create table jobs (id int primary key, done_at timestamptz)',
  'create function refresh(id bigint) returns bigint language sql as $$ select id $$',
  "insert into users values (42, 'Ada')",
  'insert into accounts values (1, 100), (2, 100)',
  "insert into orders values (1, 'tea', 7, 3)",
  'insert into jobs values (1), (2)',
]
