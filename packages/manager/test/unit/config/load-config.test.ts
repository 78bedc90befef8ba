import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@poolhouse/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { configJsonSchema, loadConfig } from '../../../src/index.js'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'poolhouse-config-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

function write(name: string, text: string): void {
  writeFileSync(join(directory, name), text)
}

test('a single URL in a file may name a cluster', async () => {
  write(
    'poolhouse.config.json',
    JSON.stringify({
      databases: { app: 'postgres://a,b/app', dw: 'host=c,d dbname=dw', log: 'host=e' },
    }),
  )
  const { databases } = await loadConfig({ directory, env: false })
  expect(databases).toEqual({
    app: { nodes: 'postgres://a,b/app' },
    dw: { nodes: 'host=c,d dbname=dw' },
    log: { primary: 'host=e' },
  })
})

describe('the environment', () => {
  const read = (env: Record<string, string>) => loadConfig({ directory, env })

  test('defines databases by name, with replicas', async () => {
    const { databases, origins } = await read({
      DATABASE_URL: 'postgres://u:s3cret@a/app',
      DATABASE_REPLICA_URLS: 'postgres://u@b/app, postgres://u@c/app\n',
      DATABASE_AUDIT_LOG_URL: 'postgres://u@d,e/audit',
      HOME: '/root',
    })
    expect(databases).toEqual({
      app: {
        primary: 'postgres://u:s3cret@a/app',
        replicas: ['postgres://u@b/app', 'postgres://u@c/app'],
      },
      audit_log: { nodes: 'postgres://u@d,e/audit' },
    })
    expect(origins).toMatchObject({
      'databases.app.primary': 'DATABASE_URL',
      'databases.app.replicas': 'DATABASE_REPLICA_URLS',
      'databases.audit_log.nodes': 'DATABASE_AUDIT_LOG_URL',
    })
  })

  test('X06: takes keywords wherever a URL is taken, and never shows unreadable ones', async () => {
    const { databases } = await read({
      DATABASE_URL: "host=a dbname=app user=u password='a, b'",
      DATABASE_REPLICA_URLS: 'host=b dbname=app\nhost=c dbname=app',
      DATABASE_AUDIT_URL: 'host=d,e dbname=audit',
    })
    expect(databases).toEqual({
      app: {
        primary: 'postgres://?host=a&dbname=app&user=u&password=a%2C%20b',
        replicas: ['postgres://?host=b&dbname=app', 'postgres://?host=c&dbname=app'],
      },
      audit: { nodes: 'postgres://?host=d%2Ce&dbname=audit' },
    })
    const broken = read({ DATABASE_URL: "host=a password='s3cret" })
    await expect(broken).rejects.toThrow(/environment: DATABASE_URL: .*quoted value does not end/)
    await expect(broken).rejects.not.toThrow(/s3cret/)
  })

  test('reads the variables of libpq, with one host for each entry of their lists', async () => {
    const { databases } = await read({
      PGHOST: 'a,b',
      PGPORT: '6000,6001',
      PGUSER: 'u',
      PGPASSWORD: 'p',
      PGDATABASE: 'd',
      PGSSLMODE: 'require',
      PGAPPNAME: 'shop',
      PGTARGETSESSIONATTRS: 'read-write',
    })
    const common = {
      user: 'u',
      password: 'p',
      database: 'd',
      applicationName: 'shop',
      ssl: { mode: 'require' },
    }
    expect(databases).toEqual({
      app: {
        nodes: [
          { ...common, host: 'a', port: 6000 },
          { ...common, host: 'b', port: 6001 },
        ],
      },
    })
  })

  test('is refused if it contradicts itself, without a value in the message', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ DATABASE_REPLICA_URLS: 'postgres://u:s3cret@b/app' }, /DATABASE_URL is not/],
      [
        { DATABASE_URL: 'postgres://a/x', DATABASE_APP_URL: 'postgres://b/x' },
        /both database "app"/,
      ],
      [
        { DATABASE_URL: 'postgres://a/x', DATABASE_REPLICA_URL: 'x', DATABASE_REPLICA_URLS: 'y' },
        /both set/,
      ],
      [{ PGHOST: 'a', PGPORT: 's3cret' }, /PGPORT must be a number/],
      [{ PGHOST: 'a', PGSSLMODE: 's3cret' }, /PGSSLMODE must be one of/],
      [{ PGHOST: 'a', PGTARGETSESSIONATTRS: 'standby' }, /any, read-write or primary/],
    ]
    for (const [env, message] of cases) {
      const error = await read(env).catch((caught: Error) => caught)
      expect(error).toBeInstanceOf(ConfigError)
      expect((error as Error).message).toMatch(message)
      expect((error as Error).message).not.toContain('s3cret')
    }
  })
})

test('code takes precedence over the file and the file over the environment, and each value has its origin', async () => {
  write(
    'poolhouse.config.json',
    JSON.stringify({
      $schema: './schema.json',
      databases: { app: { primary: 'postgres://file/app', pool: { max: 7 }, driver: 'pg' } },
      budget: { perServer: 40, instances: 2 },
    }),
  )
  const { databases, budget, origins } = await loadConfig({
    directory,
    code: { databases: { app: { driver: 'js' } }, budget: { perServer: 30 } },
    env: { DATABASE_URL: 'postgres://env/app', DATABASE_DW_URL: 'postgres://env/dw' },
  })
  expect(databases).toEqual({
    app: { driver: 'js', primary: 'postgres://file/app', pool: { max: 7 } },
    dw: { primary: 'postgres://env/dw' },
  })
  expect(budget).toEqual({ perServer: 30, instances: 2 })
  const file = join(directory, 'poolhouse.config.json')
  expect(origins).toEqual({
    'databases.app.driver': 'code',
    'databases.app.primary': file,
    'databases.app.pool': file,
    'databases.dw.primary': 'DATABASE_DW_URL',
    'budget.perServer': 'code',
    'budget.instances': file,
  })
})

test('reads the default export of a .js file', async () => {
  write('poolhouse.config.js', `module.exports = { databases: { app: 'postgres://a/app' } }`)
  const { databases } = await loadConfig({ directory, env: false })
  expect(databases).toEqual({ app: { primary: 'postgres://a/app' } })
})

test('refuses a file that is missing, ambiguous, no JSON or no object, and never quotes it', async () => {
  const load = () => loadConfig({ directory, env: false })
  await expect(loadConfig({ directory, file: 'no.json', env: false })).rejects.toThrow(
    /there is no file/,
  )
  write('poolhouse.config.json', '{ "databases": { "app": "postgres://u:s3cret@a" ')
  const error = await load().catch((caught: Error) => caught)
  expect(String(error)).toMatch(/it is not JSON/)
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('s3cret')
  write('poolhouse.config.json', '{\n  "databases": { "app": "postgres://u:s3cret@a" },\n}')
  const comma = await load().catch((caught: Error) => caught)
  expect(String(comma)).toMatch(/it is not JSON \(.*, at line 3, column 1\)/)
  expect(String(comma)).not.toContain('s3cret')
  await expect(loadConfig({ directory, file: '.', env: false })).rejects.toThrow(
    /cannot read .*: it is a folder; give the file in it/,
  )
  write('poolhouse.config.json', '3')
  await expect(load()).rejects.toThrow(/expected an object, got 3/)
  write('poolhouse.config.js', '')
  await expect(load()).rejects.toThrow(/are both there/)
})

test('X16: refuses unknown keys with the nearest name, and hostile ones', async () => {
  const load = async (text: string): Promise<string> => {
    write('poolhouse.config.json', text)
    return await loadConfig({ directory, env: false }).then(
      () => 'accepted',
      (error: Error) => error.message,
    )
  }
  expect(await load('{ "databases": { "app": { "primry": "postgres://a" } } }')).toMatch(
    /databases\.app: unknown key "primry"; did you mean "primary"\?/,
  )
  expect(
    await load('{ "databases": { "app": { "primary": "postgres://a", "pool": { "maxx": 3 } } } }'),
  ).toMatch(/databases\.app\.pool: unknown key "maxx"; did you mean "max"\?/)
  expect(await load('{ "bugdet": {} }')).toMatch(/unknown key "bugdet"; did you mean "budget"\?/)
  expect(await load('{ "__proto__": { "budget": {} } }')).toMatch(/unknown key "__proto__"/)
  expect(
    await load(
      '{ "databases": { "app": { "primary": "postgres://a", "__proto__": { "replicas": [] } } } }',
    ),
  ).toMatch(/unknown key "__proto__"/)
  expect(
    await load(
      '{ "databases": { "app": { "primary": "postgres://a", "pool": { "max": "s3cret" } } } }',
    ),
  ).toMatch(/databases\.app\.pool\.max: .*number/)
  const multiplex = async (json: string): Promise<string> =>
    await load(
      `{ "databases": { "app": { "primary": "postgres://a", "pool": { "multiplex": ${json} } } } }`,
    )
  expect(await multiplex('{ "connection": 2 }')).toMatch(
    /databases\.app\.pool\.multiplex: unknown key "connection"; did you mean "connections"\?/,
  )
  expect(await multiplex('"s3cret"')).toMatch(
    /databases\.app\.pool\.multiplex: must be 'auto', false or an object such as \{ connections/,
  )
  // It is legal as the name of a database.
  write('poolhouse.config.json', '{ "databases": { "__proto__": "postgres://a" } }')
  const { databases } = await loadConfig({ directory, env: false })
  expect(Object.keys(databases)).toEqual(['__proto__'])
  expect(Object.getPrototypeOf(databases)).toBe(Object.prototype)
})

test('exports the JSON Schema of a file for editors', () => {
  const schema = configJsonSchema() as {
    additionalProperties: unknown
    properties: Record<string, object>
  }
  expect(schema.additionalProperties).toBe(false)
  expect(Object.keys(schema.properties)).toEqual(['$schema', 'databases', 'budget'])
  expect(JSON.stringify(schema)).toContain('maxLifetimeMs')
  expect(JSON.stringify(schema)).toContain('maxInFlight')
})
