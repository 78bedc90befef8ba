import { inspect } from 'node:util'
import { ConnectionSettings } from '@poolhouse/core/kit'
import { typeParsers } from '@poolhouse/core/types'
import postgres from 'postgres'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Instance, instanceMaker, makeTemplate } from '../../src/instance.js'
import type { PostgresModule } from '../../src/postgres-module.js'

const module = postgres as unknown as PostgresModule

function make(): Instance {
  const settings = new ConnectionSettings({
    endpoint: { host: 'db.example', port: 6543, database: 'shop' },
    user: 'app',
    password: 'opensesame',
    applicationName: 'poolhouse-test',
    ssl: { mode: 'disable' },
    parameters: { search_path: 'a, b' },
  })
  return instanceMaker(
    module,
    makeTemplate(module),
  )({
    settings,
    types: typeParsers({ int8: BigInt }),
    socket: () => {
      throw new Error('nothing connects here')
    },
  })
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('an instance', () => {
  it('has the settings of the pool and none of the environment', () => {
    const leaks = {
      PGHOST: 'elsewhere',
      PGPORT: '1',
      PGUSER: 'mallory',
      PGUSERNAME: 'mallory',
      PGDATABASE: 'leak',
      PGPASSWORD: 'leak',
      PGAPPNAME: 'leak',
      PGOPTIONS: '-c work_mem=64',
      PGSSL: 'require',
      PGSSLNEGOTIATION: 'direct',
      PGMAX: '20',
      PGIDLE_TIMEOUT: '1',
      PGMAX_LIFETIME: '1',
      PGCONNECT_TIMEOUT: '1',
      PGMAX_PIPELINE: '1',
      PGBACKOFF: '1',
      PGKEEP_ALIVE: '1',
      PGPREPARE: 'false',
      PGDEBUG: 'true',
      PGFETCH_TYPES: 'true',
      // A value of libpq that postgres.js refuses.
      PGTARGETSESSIONATTRS: 'any',
    }
    for (const [name, value] of Object.entries(leaks)) vi.stubEnv(name, value)
    expect(make().sql.options).toMatchObject({
      host: ['db.example'],
      port: [6543],
      path: false,
      database: 'shop',
      user: 'app',
      pass: '',
      max: 1,
      ssl: false,
      sslnegotiation: null,
      idle_timeout: null,
      max_lifetime: null,
      connect_timeout: null,
      keep_alive: null,
      prepare: true,
      debug: false,
      fetch_types: false,
      target_session_attrs: null,
      connection: { application_name: 'poolhouse-test', options: '-c search_path=a,\\ b' },
    })
  })

  it('shares no mutable state with another one', () => {
    const [one, other] = [make().sql.options, make().sql.options]
    for (const name of ['parameters', 'shared', 'parsers', 'serializers', 'connection']) {
      expect(one[name]).not.toBe(other[name])
    }
  })

  it('never knows the password', () => {
    const { sql } = make()
    expect(inspect(sql, { depth: 10, showHidden: true })).not.toContain('opensesame')
    expect(JSON.stringify(sql.options)).not.toContain('opensesame')
  })

  it('refuses methods that would queue, reconnect or hang, with a rejection that needs no handler', async () => {
    const { sql } = make()
    const refused = ['begin', 'reserve', 'end', 'close', 'listen', 'subscribe', 'largeObject']
    for (const name of refused) {
      const call = (sql as unknown as Record<string, () => Promise<never>>)[name]!
      // Without a handler: an unhandled rejection would fail this run.
      void call()
      await expect(call()).rejects.toThrow(`sql.${name} does not work on a connection of a pool`)
    }
    await new Promise((resolve) => setImmediate(resolve))
  })
})
