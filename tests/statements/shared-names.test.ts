import { mayShare, SERVER_OPERATORS, SHARED_FUNCTIONS } from '@poolhouse/core/sql'
import { describe, expect, it } from 'vitest'
import { oldestBinaries } from '../support/every-server.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'

const newest = sharedCluster({ replicas: 0 })
const oldest = sharedCluster(async () => ({ replicas: 0, binaries: await oldestBinaries() }))

// Volatile, and still nothing stays behind. One `timezone` of PostgreSQL 14 counts as such. A
// parallel worker has no schema of temporary tables, which the last two may look for.
const HARMLESS = [
  ...['clock_timestamp', 'gen_random_uuid', 'random', 'timeofday', 'timezone'],
  ...['current_schema', 'current_schemas'],
]
// Not of every server, so they are not called; as a name after a dot they may be columns.
const HARMLESS_COLUMNS = [...HARMLESS, 'array_shuffle', 'random_normal', 'uuidv7']

// Everything made by initdb, and nothing made later, has a smaller number.
const OF_INITDB = 16_384

interface Routine {
  readonly name: string
  readonly languages: readonly string[]
  readonly volatile: boolean
  readonly unsafe: boolean
  readonly procedure: boolean
}

const ROUTINES = `
  select p.proname as name, array_agg(distinct l.lanname::text) as languages,
    bool_or(p.provolatile = 'v') as volatile, bool_or(p.proparallel = 'u') as unsafe,
    bool_or(p.prokind = 'p') as procedure
  from pg_proc p join pg_language l on l.oid = p.prolang
  where p.oid < ${OF_INITDB} and p.pronamespace = 'pg_catalog'::regnamespace
  group by p.proname`

// Callable as `x.name`: with one argument, which is a value that a query can have.
const ATTRIBUTES = `
  select distinct p.proname as name from pg_proc p
  where p.oid < ${OF_INITDB} and p.prokind = 'f' and p.pronargs > 0
    and p.pronargs - p.pronargdefaults <= 1 and (p.provolatile = 'v' or p.proparallel = 'u')
    and not ('{internal,cstring}'::regtype[] && p.proargtypes::oid[]::regtype[])`

describe.each([
  { version: 14, cluster: oldest },
  { version: 18, cluster: newest },
])('on PostgreSQL $version', ({ version, cluster }) => {
  async function ask<Row>(text: string): Promise<Row[]> {
    const { primary } = await cluster()
    return (await primary.sql(text)) as Row[]
  }

  it('is what these tests run on', async () => {
    const [row] = await ask<{ server_version: string }>('show server_version')
    expect(Number.parseInt(row!.server_version, 10)).toBe(version)
  }, 60_000)

  it('a function that may share is the server’s own, runs no code of a database, and leaves nothing behind', async () => {
    const found = new Map((await ask<Routine>(ROUTINES)).map((each) => [each.name, each]))
    const faults = [...SHARED_FUNCTIONS].flatMap((name) => {
      const routine = found.get(name)
      if (routine === undefined) return [`${name} does not exist`]
      const { languages, volatile, unsafe, procedure } = routine
      // The bodies in SQL are those of initdb.
      const isForeign = languages.some((language) => language !== 'internal' && language !== 'sql')
      if (isForeign || procedure) return [`${name} is ${JSON.stringify(routine)}`]
      return (volatile || unsafe) && !HARMLESS.includes(name) ? [`${name} has effects`] : []
    })
    expect(faults).toEqual([])
  })

  it('a function with effects does not share in any notation', async () => {
    const names = (await ask<Routine>(ROUTINES))
      .filter(({ volatile, unsafe }) => volatile || unsafe)
      .map(({ name }) => name)
      .filter((name) => !HARMLESS.includes(name))
    expect(names).toContain('pg_advisory_lock')
    expect(names.filter((name) => mayShare(`select ${name}(1)`))).toEqual([])
    const attributes = (await ask<{ name: string }>(ATTRIBUTES))
      .map(({ name }) => name)
      .filter((name) => !HARMLESS_COLUMNS.includes(name))
    expect(attributes).toContain('setseed')
    expect(attributes.filter((name) => mayShare(`select x.${name} from f x`))).toEqual([])
    expect(attributes.filter((name) => mayShare(`select (x).${name} from f x`))).toEqual([])
  })

  it('an operator that may share is the server’s own, and calls a function without effects', async () => {
    const rows = await ask<{ name: string; volatile: boolean }>(`
      select o.oprname as name, bool_or(p.provolatile = 'v' or p.proparallel = 'u') as volatile
      from pg_operator o join pg_proc p on p.oid = o.oprcode
      where o.oid < ${OF_INITDB} group by o.oprname`)
    const harmless = new Set(rows.filter((row) => !row.volatile).map(({ name }) => name))
    // The server reads it as `<>`.
    harmless.add('!=')
    expect([...SERVER_OPERATORS].filter((sign) => !harmless.has(sign))).toEqual([])
    expect(mayShare('select a + b')).toBe(true)
  })

  it('a type that may share is a scalar or a range of the server’s own', async () => {
    const rows = await ask<{ name: string; plain: boolean }>(`
      select t.typname as name,
        bool_and(t.typtype in ('b', 'r', 'm') and t.oid < ${OF_INITDB}
          and t.typnamespace = 'pg_catalog'::regnamespace) as plain
      from pg_type t group by t.typname`)
    const shared = rows.filter(({ name }) => mayShare(`select x::"${name}"`))
    expect(shared.filter(({ plain }) => !plain)).toEqual([])
    expect(shared.length).toBeGreaterThan(60)
    for (const type of ['integer', 'bigint', 'boolean', 'double precision', 'character(3)']) {
      expect(mayShare(`select null::${type}`)).toBe(true)
      await ask(`select null::${type}`)
    }
  })

  it('a relation of the catalog that may share is a table, or a view whose own text may share', async () => {
    const rows = await ask<{ name: string; text: string | null }>(`
      select c.relname as name, case c.relkind when 'v' then pg_get_viewdef(c.oid) end as text
      from pg_class c where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')`)
    const shared = rows.filter(({ name }) => mayShare(`select * from pg_catalog.${name}`))
    expect(shared.filter(({ text }) => text !== null && !mayShare(text))).toEqual([])
    expect(shared.length).toBeGreaterThan(50)
  })
})
