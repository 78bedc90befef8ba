import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { ConfigError } from '@poolhouse/core'
import { createManager, loadConfig } from '@poolhouse/manager'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'

let cluster: Cluster
let directory: string

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1, synchronous: false, auth: 'scram-sha-256' })
})

afterAll(async () => {
  await cluster?.stop()
})

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'poolhouse-config-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

/** Everything that a console, a logger or a serialiser makes of a value. */
function shown(value: unknown): string {
  const texts = [inspect(value, { depth: 12, showHidden: true }), String(value)]
  try {
    texts.push(JSON.stringify(value) ?? '')
  } catch {
    // What refers to itself cannot be serialised, and shows nothing that way.
  }
  for (let error = value; error instanceof Error; error = error.cause) texts.push(error.stack ?? '')
  return texts.join('\n')
}

function expectHidden(secret: string, values: readonly unknown[]): void {
  const forms = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]
  for (const value of values) {
    const text = shown(value)
    for (const form of forms) expect(text.includes(form)).toBe(false)
  }
}

describe.each(DRIVERS)('a manager over $driver', ({ make }) => {
  it('X06: shows no password, given in a URL, as keywords or by a function, working or refused', async () => {
    const { user, password, database } = cluster
    const [a, b] = cluster.nodes
    const wrong = 'wrong %/@"\\ 4711'
    const quoted = password.replaceAll(/['\\]/g, '\\$&')
    const { host, port } = cluster.primary
    await using manager = createManager({
      drivers: { only: make() },
      databases: {
        url: { nodes: [a!.url, b!.url] },
        keywords: `host=${host} port=${port} dbname=${database} user=${user} password='${quoted}'`,
        code: { primary: { host, port, database, user, password: () => password } },
        refused: `postgres://${user}:${encodeURIComponent(wrong)}@${host}:${port}/${database}`,
      },
      tenants: { resolve: () => ({ on: 'code', schema: 'public', user, password }) },
    })
    const names = ['url', 'keywords', 'code'] as const
    const views = [...names.map((name) => manager.database(name)), manager.tenant('t')]
    const told: unknown[] = []
    for (const view of views)
      for (const name of ['connect', 'topology', 'error'] as const)
        view.on(name, (event) => told.push(event))
    for (const view of views) await view.query('select 1')
    const { topology } = manager.database('url')
    const seen = [manager, ...views, topology, topology.current, manager.health()]
    expectHidden(password, [...seen, manager.stats({ tenants: ['t'] }), manager.explainConfig()])
    const error = await manager
      .database('refused')
      .query('select 1')
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'AuthenticationError' })
    const unready = await manager.ready().catch((reason: unknown) => reason)
    expect(unready).toBeInstanceOf(Error)
    expectHidden(wrong, [error, unready, manager.health(), manager.explainConfig(), manager])
    expect(told.length).toBeGreaterThan(0)
    expectHidden(password, told)
  })

  it('X10: a password that is rotated costs no call of any database or tenant, and is asked for once at a time', async () => {
    const owner = 'rotating'
    await cluster.primary.sql(`create role ${owner} login password 'first 1'`)
    let current = 'first 1'
    let asking = 0
    let most = 0
    let asked = 0
    const password = async (): Promise<string> => {
      asked++
      most = Math.max(most, ++asking)
      await new Promise((resolve) => setImmediate(resolve))
      asking--
      return current
    }
    const { host, port } = cluster.primary
    const primary = { host, port, database: cluster.database, user: owner, password }
    await using manager = createManager({
      drivers: { only: make() },
      databases: { app: { primary } },
      budget: { perServer: 20 },
      tenants: { resolve: () => ({ schema: 'public' }) },
    })
    const views = [manager.database('app'), manager.tenant('one')]
    const many = (): Promise<unknown[]> =>
      Promise.all(
        views.flatMap((view) =>
          Array.from({ length: 6 }, () => view.query('select pg_sleep(0.02)')),
        ),
      )
    await many()
    await cluster.primary.sql(`alter role ${owner} password 'second 2'`)
    current = 'second 2'
    await cluster.primary.sql(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '${owner}'`,
    )
    expect(await many()).toHaveLength(12)
    expect(asked).toBeGreaterThan(0)
    // Each pool asks once at a time: there are two.
    expect(most).toBeLessThanOrEqual(2)
    await manager.close()
    await cluster.primary.sql(`drop role ${owner}`)
  })

  it('X16: a hostile file changes no prototype and reaches no server; names like those of prototypes are databases', async () => {
    const write = (text: string): void =>
      writeFileSync(join(directory, 'poolhouse.config.json'), text)
    const url = JSON.stringify(cluster.primary.url)
    for (const hostile of [
      `{ "__proto__": { "budget": { "perServer": 1 } }, "databases": { "app": ${url} } }`,
      `{ "databases": { "app": { "primary": ${url}, "__proto__": { "weight": 9 } } } }`,
      `{ "databases": { "app": { "primary": ${url}, "pool": { "__proto__": { "max": 1 } } } } }`,
      `{ "databases": { "app": { "primary": ${url}, "constructor": { "prototype": { "x": 1 } } } } }`,
      `{ "databases": { "app": { "primary": ${url} } }, "budgett": {} }`,
    ]) {
      write(hostile)
      await expect(loadConfig({ directory, env: false })).rejects.toBeInstanceOf(ConfigError)
    }
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(({} as Record<string, unknown>)['max']).toBeUndefined()
    write(`{ "databases": { "__proto__": ${url}, "constructor": ${url} } }`)
    const { databases, budget } = await loadConfig({ directory, env: false })
    await using manager = createManager({ drivers: { only: make() }, databases, budget })
    for (const name of ['__proto__', 'constructor'])
      expect((await manager.database(name).query('select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(() => manager.database('toString')).toThrow(RangeError)
  })
})
