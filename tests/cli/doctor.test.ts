import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '@poolhouse/cli'
import { type Cluster, type PgBouncer, startCluster, startPgBouncer } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../support/until.js'
import { type RunOptions, testCli } from './cli-child.js'

interface Document {
  readonly ok: boolean
  readonly exitCode: number
  readonly findings: readonly Finding[]
  readonly notes: readonly Finding[]
  readonly servers: readonly { readonly server: string; readonly role?: string }[]
}

const cli = testCli()
let cluster: Cluster
let secure: Cluster
let pgbouncer: PgBouncer

// The first one on a machine fetches PgBouncer.
beforeAll(async () => {
  ;[cluster, secure] = await Promise.all([
    startCluster({ replicas: 2, auth: 'scram-sha-256' }),
    startCluster({ replicas: 0, auth: 'scram-sha-256', tls: true }),
  ])
  pgbouncer = await startPgBouncer({ target: cluster.primary.url, auth: 'scram-sha-256' })
}, 180_000)
afterAll(async () => {
  await pgbouncer?.stop()
  await Promise.all([cluster?.stop(), secure?.stop()])
})

const login = (): string => `app:${encodeURIComponent(cluster.password)}`
const at = (...nodes: number[]): string =>
  `postgres://${login()}@${nodes.map((node) => `127.0.0.1:${cluster.nodes[node]!.port}`).join(',')}/app`
const portOf = (node: number): string => `127.0.0.1:${cluster.nodes[node]!.port}/app`

/** What doctor says, as a document. */
async function examine(argv: readonly string[], options: RunOptions = {}): Promise<Document> {
  const { exitCode, stdout, stderr } = await cli.run(['doctor', '--json', ...argv], options)
  expect(stderr).toBe('')
  for (const secret of [cluster.password, encodeURIComponent(cluster.password)]) {
    expect(stdout).not.toContain(secret)
  }
  const document = JSON.parse(stdout) as Document
  expect(document.exitCode).toBe(exitCode)
  return document
}

/** The one thing that is wrong. */
async function only(argv: readonly string[], options?: RunOptions): Promise<Finding> {
  const { findings, exitCode } = await examine(argv, options)
  expect(findings).toHaveLength(1)
  expect(exitCode).toBe(1)
  return findings[0]!
}

/** A folder with this configuration. */
async function configured(config: unknown): Promise<RunOptions & { readonly cwd: string }> {
  const cwd = await cli.folder()
  await writeFile(join(cwd, 'poolhouse.config.json'), JSON.stringify(config), { mode: 0o600 })
  return { cwd }
}

/** Runs a statement on the primary, and another one when the test is over. */
async function altered(by: string, back: string): Promise<void> {
  onTestFinished(async () => {
    await cluster.primary.sql(back)
  })
  await cluster.primary.sql(by)
  const [{ lsn } = { lsn: '' }] = await cluster.primary.sql<{ lsn: string }>(
    'select pg_current_wal_lsn()::text as lsn',
  )
  const replayed = `select pg_last_wal_replay_lsn() >= '${lsn}'::pg_lsn as there`
  for (const node of cluster.replicas) {
    await until(async () => (await node.sql<{ there: boolean }>(replayed))[0]!.there)
  }
}

describe('doctor on servers that are well', () => {
  it('finds nothing in a cluster by its URL, and says what each server is', async () => {
    const { ok, exitCode, findings, servers } = await examine([at(0, 1, 2)])
    expect({ ok, exitCode, findings }).toEqual({ ok: true, exitCode: 0, findings: [] })
    expect(servers.map(({ role }) => role)).toEqual(['primary', 'replica', 'replica'])
    const text = await cli.run(['doctor', at(0, 1, 2)])
    expect(text.exitCode).toBe(0)
    expect(text.stdout).toMatch(/^database +server +role +version/)
    expect(text.stdout).toContain('all is well')
  })

  it('finds nothing by a file, nor by the environment', async () => {
    const file = await configured({
      databases: { shop: { primary: at(0), replicas: [at(1), at(2)], pool: { max: 5 } } },
    })
    expect(await examine([], file)).toMatchObject({ ok: true, exitCode: 0 })
    const named = ['--config', join(file.cwd, 'poolhouse.config.json')]
    expect(await examine(named)).toMatchObject({ ok: true, exitCode: 0 })
    const env = { DATABASE_URL: at(0), DATABASE_REPLICA_URLS: at(1) }
    expect((await examine([], { env })).servers).toHaveLength(2)
  })

  it('takes the password of PGPASSWORD, as psql does', async () => {
    const url = at(0).replace(login(), 'app')
    const env = { PGPASSWORD: cluster.password }
    expect(await examine([url], { env })).toMatchObject({ ok: true })
  })

  it('verifies TLS with the authority that the URL names', async () => {
    const cwd = await cli.folder()
    await writeFile(join(cwd, 'ca.crt'), secure.ca!)
    const url = `${secure.primary.url}?sslmode=verify-full&sslrootcert=${join(cwd, 'ca.crt')}`
    expect(await examine([url])).toMatchObject({ ok: true })
  })
})

describe('doctor on what is broken', () => {
  it('names a wrong password', async () => {
    const url = at(0).replace(login(), 'app:wrong-password')
    const { check, message } = await only([url])
    expect(check).toBe('auth')
    expect(message).toContain('password authentication failed')
    expect(message).not.toContain('wrong-password')
  })

  it('names a database that is not there, for humans too', async () => {
    const url = at(0).replace(/app$/, 'shop')
    const { check, message, advice } = await only([url])
    expect(check).toBe('database')
    expect(message).toContain('database "shop" does not exist')
    const { exitCode, stdout } = await cli.run(['doctor', url])
    expect(exitCode).toBe(1)
    for (const text of ['✗ database', message, advice, '1 finding']) expect(stdout).toContain(text)
    expect(stdout).not.toContain(encodeURIComponent(cluster.password))
  })

  it('names a port that refuses', async () => {
    const { check, message } = await only(['postgres://app@127.0.0.1:1/app'])
    expect(check).toBe('network')
    expect(message).toContain('ECONNREFUSED')
  })

  it('names a host that does not exist', async () => {
    const { check, message } = await only(['postgres://app@db.invalid/app'])
    expect(check).toBe('dns')
    expect(message).toContain('db.invalid')
  })

  it('names a server that demands TLS, one that has none, and one that is not trusted', async () => {
    const demanded = await only([`${secure.primary.url}?sslmode=disable`])
    expect(demanded).toMatchObject({ check: 'tls', advice: expect.stringContaining('hostssl') })
    const missing = await only([`${at(0)}?sslmode=require`])
    expect(missing).toMatchObject({
      check: 'tls',
      message: expect.stringContaining('does not support TLS'),
    })
    const untrusted = await only([`${secure.primary.url}?sslmode=verify-full`])
    expect(untrusted).toMatchObject({
      check: 'tls',
      advice: expect.stringContaining('sslrootcert'),
    })
  })

  it('names a certificate that has expired, is not valid yet, or will not be for long', async () => {
    const at = (days: number): Date => new Date(Date.now() + days * 86_400_000)
    const times = [
      { validTo: at(9.5) },
      { validFrom: at(-40), validTo: at(-3.5) },
      { validFrom: at(2.5), validTo: at(40) },
    ]
    const clusters = await Promise.all(times.map((tls) => startCluster({ replicas: 0, tls })))
    onTestFinished(async () => {
      await Promise.all(clusters.map((each) => each.stop()))
    })
    const day = (days: number): string => at(days).toISOString().slice(0, 10)
    const found = await Promise.all(
      clusters.map(async ({ ca, primary }) => {
        const cwd = await cli.folder()
        await writeFile(join(cwd, 'ca.crt'), ca!)
        return await only([`${primary.url}?sslmode=verify-full&sslrootcert=${join(cwd, 'ca.crt')}`])
      }),
    )
    expect(found.map(({ severity, check, message }) => [severity, check, message])).toEqual([
      ['warning', 'tls', expect.stringContaining(`expires on ${day(9.5)}, in 9 days`)],
      ['error', 'tls', `the server's certificate has expired on ${day(-3.5)}, 3 days ago`],
      ['error', 'tls', `the server's certificate is not valid before ${day(2.5)}, in 2 days`],
    ])
    expect(found[1]!.advice).toContain('pg_reload_conf')
    const unverified = await only([`${clusters[1]!.primary.url}?sslmode=require`])
    expect(unverified).toMatchObject({ severity: 'warning', check: 'tls' })
  })

  it('names a cluster without a primary, and a primary that is a standby', async () => {
    expect(await only([at(1, 2)])).toMatchObject({
      check: 'roles',
      message: 'there is no primary: all 2 servers are in recovery',
    })
    const swapped = await examine(
      [],
      await configured({ databases: { app: { primary: at(1), replicas: [at(0)] } } }),
    )
    expect(swapped.findings.map(({ check, server }) => [check, server])).toEqual([
      ['roles', portOf(1)],
      ['roles', portOf(0)],
    ])
  })

  it('names servers of different clusters', async () => {
    const config = {
      databases: {
        app: { primary: at(0), replicas: [`${secure.primary.url}?sslmode=require`] },
      },
    }
    const { findings } = await examine([], await configured(config))
    expect(findings.map(({ check }) => check)).toContain('identity')
  })

  it('names a standby whose replay is paused, and how far it is behind', async () => {
    const replica = cluster.nodes[1]!
    await replica.pauseReplay()
    onTestFinished(() => replica.resumeReplay())
    await cluster.primary.sql('create table if not exists late (id int)')
    const { findings } = await examine([at(0, 1, 2)])
    expect(findings.map(({ check, server }) => [check, server])).toEqual([
      ['recovery', portOf(1)],
      ['lag', portOf(1)],
    ])
  })

  it('names PgBouncer where it is not declared, and only there', async () => {
    expect(await only([pgbouncer.url])).toMatchObject({
      check: 'pooler',
      severity: 'warning',
      advice: expect.stringContaining("pooler: 'pgbouncer'"),
    })
    expect(await examine([`${pgbouncer.url}?pgbouncer=true`])).toMatchObject({ ok: true })
  })

  it('names servers that allow fewer connections than pools × processes open', async () => {
    expect(await only([at(0), '--processes', '20'])).toMatchObject({
      check: 'max-connections',
      message: expect.stringContaining('200 connections (10 per process × 20 processes)'),
    })
    const app = { primary: at(0), pool: { max: 30 } }
    const shop = { primary: at(0), pool: { max: 80 } }
    const both = await only([], await configured({ databases: { app, shop } }))
    expect(both.message).toContain('110 connections')
    const bounded = { databases: { app, shop }, budget: { perServer: 50 } }
    expect(await examine([], await configured(bounded))).toMatchObject({ ok: true })
    const shared = { databases: { app, shop }, budget: { perServer: 'auto', instances: 4 } }
    expect(await examine([], await configured(shared))).toMatchObject({ ok: true })
  })

  it('counts the connection limit of the role', async () => {
    await altered('alter role app connection limit 8', 'alter role app connection limit -1')
    expect(await only([at(0)])).toMatchObject({
      check: 'max-connections',
      message: expect.stringContaining('role "app" has CONNECTION LIMIT 8'),
    })
  })

  it('names each setting of the role and the database that hurts', async () => {
    await altered(
      `alter role app set statement_timeout = '5s';
       alter role app in database app set idle_in_transaction_session_timeout = '1min';
       alter database app set search_path = shop;
       alter role app set default_transaction_isolation = 'serializable';
       alter role app set work_mem = '8MB'`,
      `alter role app reset all; alter role app in database app reset all;
       alter database app reset all`,
    )
    const { findings } = await examine([at(0, 1, 2)])
    expect(new Set(findings.map(({ check }) => check))).toEqual(new Set(['role-settings']))
    const said = findings.filter(({ server }) => server === portOf(1)).map(({ message }) => message)
    expect(said).toHaveLength(4)
    expect(said.join()).toContain('role "app" sets statement_timeout = 5000ms')
    expect(said.join()).toContain('role "app" in this database sets idle_in_transaction')
    expect(said.join()).toContain('the database sets search_path = shop')
  })

  it('names a role that may not write', async () => {
    await altered(
      'alter role app set default_transaction_read_only = on',
      'alter role app reset all',
    )
    const { findings, servers } = await examine([at(0)])
    expect(findings[0]).toMatchObject({ severity: 'error', check: 'role-settings' })
    expect(servers[0]).toMatchObject({ role: 'primary-read-only' })
  })

  it('names commits that wait for standbys which are not there', async () => {
    await altered(
      "alter system set synchronous_standby_names = ''",
      'alter system reset synchronous_standby_names',
    )
    const lonely = secure.primary
    await lonely.sql("alter system set synchronous_standby_names = 'ANY 1 (*)'")
    onTestFinished(async () => {
      await lonely.sql('alter system reset synchronous_standby_names')
      await lonely.sql('select pg_reload_conf()')
    })
    await lonely.sql('select pg_reload_conf()')
    const shown = 'show synchronous_standby_names'
    await until(async () => JSON.stringify(await lonely.sql(shown)).includes('ANY'))
    expect(await only([`${lonely.url}?sslmode=require`])).toMatchObject({ check: 'replication' })
  })

  it('names two copies of pg in the project, and where they are', async () => {
    const cwd = await cli.folder()
    for (const path of ['node_modules/pg', 'node_modules/kit/node_modules/pg']) {
      await mkdir(join(cwd, path), { recursive: true })
      const manifest = { name: 'pg', version: '8.20.0', main: 'missing.js' }
      await writeFile(join(cwd, path, 'package.json'), JSON.stringify(manifest))
    }
    const finding = await only([at(0)], { cwd })
    expect(finding).toMatchObject({ check: 'duplicates', severity: 'warning' })
    expect(finding.message).toContain(join('kit', 'node_modules', 'pg'))
  })

  it('names an unknown key of the configuration, with exit code 2', async () => {
    const options = await configured({ databases: { app: { primary: at(0), pol: { max: 5 } } } })
    const { exitCode, findings } = await examine([], options)
    expect(exitCode).toBe(2)
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ check: 'config', severity: 'error' })
    expect(findings[0]!.message).toContain('unknown key "pol"; did you mean "pool"?')
  })

  it('X06: notes a file with a password that every user may read, and counts it by --strict', async () => {
    const { cwd } = await configured({})
    const file = join(cwd, 'poolhouse.config.mjs')
    await writeFile(join(cwd, 'other.mjs'), '')
    await writeFile(file, `export default { databases: { app: ${JSON.stringify(at(0))} } }`, {
      mode: 0o644,
    })
    const argv = ['--config', file]
    const { ok, notes } = await examine(argv)
    expect(ok).toBe(true)
    expect(notes).toMatchObject([{ check: 'file-mode' }])
    expect((await cli.run(['doctor', '--strict', ...argv])).exitCode).toBe(1)
  })

  // The last one: the cluster is not whole after it.
  it('names several primaries, and the one on the highest timeline', async () => {
    await cluster.nodes[2]!.promote({ refollow: false })
    const { findings } = await examine([at(0, 1, 2)])
    expect(findings[0]).toMatchObject({ check: 'roles', severity: 'error' })
    expect(findings[0]!.message).toContain('2 servers claim to be the primary')
    expect(findings[0]!.advice).toContain(`${portOf(2)} is on the highest timeline`)
  })
})
