import { createManager, type Manager, type TenantTarget } from '@poolhouse/manager'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'

const HOSTILE = 'x", "victim'

describe.each(everyServer())(
  'schemas of tenants, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const manage = async (resolve: (id: string) => TenantTarget): Promise<Manager> => {
      const made = createManager({
        drivers: { only: make() },
        databases: { app: { primary: (await cluster()).primary.url } },
        tenants: { resolve },
      }) as Manager
      onTestFinished(() => made.close({ timeoutMs: 0 }))
      return made
    }

    beforeAll(async () => {
      const { primary } = await cluster()
      for (const name of ['acme', 'app', 'victim', 'extensions', HOSTILE]) {
        const quoted = `"${name.replaceAll('"', '""')}"`
        await primary.sql(`drop schema if exists ${quoted} cascade`)
        await primary.sql(`create schema ${quoted}; grant all on schema ${quoted} to app`)
        await primary.sql(`create table ${quoted}.owner as select '${name}' as name`)
        await primary.sql(`grant all on ${quoted}.owner to app`)
      }
      await primary.sql(
        `create or replace function public.shout(text) returns text language sql as $$ select upper($1) $$`,
      )
      await primary.sql(
        `create function extensions.shout(text) returns text language sql as $$ select 'other' $$`,
      )
    }, 60_000)

    it('T72: "$user" and those of PostgreSQL lead nowhere, and open no connection', async () => {
      const { primary } = await cluster()
      const manager = await manage((id) => ({ schema: id }))
      for (const id of ['$user', 'pg_temp', 'pg_catalog', 'information_schema', 'a'.repeat(64)]) {
        const error = await failureOf(manager.tenant(id).query('select name from owner'))
        expect(error).toMatchObject({ name: 'ConfigError' })
      }
      const [{ n }] = (await primary.sql(
        "select count(*)::int as n from pg_stat_activity where usename = 'app'",
      )) as unknown as [{ n: number }]
      expect(n).toBe(0)
      expect((await manager.tenant('acme').query('select name from owner')).rows).toEqual([
        { name: 'acme' },
      ])
    })

    it('T73: a schema alone is all that is searched, and more is by name, in order, behind it', async () => {
      const manager = await manage((id) => ({
        schema: id === 'alone' ? 'acme' : { name: 'acme', also: id.split(' ') },
      }))
      const shout = "select shout('a') as said, name from owner"
      expect(await failureOf(manager.tenant('alone').query(shout))).toMatchObject({ code: '42883' })
      for (const [also, said] of [
        ['public', 'A'],
        ['extensions public', 'other'],
        ['public extensions', 'A'],
        ['victim public', 'A'],
      ] as const) {
        const { rows } = await manager.tenant(also).query(shout)
        expect(rows).toEqual([{ said, name: 'acme' }])
      }
    })

    it('T73: a name with quotes in it is one name, in front and behind', async () => {
      const manager = await manage((id) => ({
        schema: id === 'front' ? HOSTILE : { name: 'absent', also: [HOSTILE] },
      }))
      for (const id of ['front', 'behind']) {
        const { rows } = await manager.tenant(id).query('select name from owner')
        expect(rows).toEqual([{ name: HOSTILE }])
      }
    })
  },
)
