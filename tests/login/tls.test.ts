import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ConnectError,
  type ConnectionPool,
  createPool,
  type PoolOptions,
} from '@poolhouse/core'
import { ConnectionSettings } from '@poolhouse/core/kit'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'
import { type Far, farAway } from '../support/far-away.js'
import { type ClientCertificate, makeClientCertificate } from './client-certificate.js'
import { startTlsRelay } from './tls-relay.js'

let cluster: Cluster
let plain: Cluster
/** The ways to both. */
let far: { readonly tls: Far; readonly plain: Far }
/** What the server takes for a certificate of the user `app`. */
let client: ClientCertificate
/** Holds `ca.crt`, `client.crt`, `client.key` and `locked.key`. */
let directory: string
const file = (name: string): string => encodeURIComponent(join(directory, name))

beforeAll(async () => {
  client = makeClientCertificate('app')
  directory = await mkdtemp(join(tmpdir(), 'poolhouse-tls-'))
  // The server runs as another user.
  await chmod(directory, 0o755)
  await Promise.all([
    writeFile(join(directory, 'client.crt'), client.cert),
    writeFile(join(directory, 'client.key'), client.key),
    writeFile(join(directory, 'locked.key'), client.lockedKey),
  ])
  ;[cluster, plain] = await Promise.all([
    startCluster({
      replicas: 0,
      tls: true,
      auth: 'scram-sha-256',
      settings: { ssl_ca_file: join(directory, 'client.crt') },
    }),
    startCluster({ replicas: 0, auth: 'scram-sha-256' }),
  ])
  far = { tls: await farAway(cluster.primary.url), plain: await farAway(plain.primary.url) }
  await writeFile(join(directory, 'ca.crt'), cluster.ca!)
})

afterAll(async () => {
  await Promise.all([far?.tls, far?.plain].map((each) => each?.[Symbol.asyncDispose]()))
  await Promise.all([cluster?.stop(), plain?.stop()])
  if (directory !== undefined) await rm(directory, { recursive: true })
})

const drivers = [nodePostgres(), postgresJs()].map((driver) => [driver.name, driver] as const)

describe.each(drivers)('TLS through %s', (_name, driver) => {
  const open = (connection: PoolOptions['connection'], options: Partial<PoolOptions> = {}) =>
    createPool({ driver, connection, max: 1, ...options })

  const ask = async (pool: ConnectionPool) => {
    const { rows } = await pool.query<{ ssl: boolean; client: string | null }>(
      'select ssl, client_dn as client from pg_stat_ssl where pid = pg_backend_pid()',
    )
    return rows[0]!
  }

  /** What the server says of a session opened with these parameters of a URL. */
  async function session(
    parameters: string,
    { host = '127.0.0.1', at = far.tls }: { host?: string; at?: Far } = {},
  ): Promise<{ ssl: boolean; client: string | null }> {
    const url = at.url.replace('127.0.0.1', host)
    await using pool = open(`${url}?${parameters}`)
    return await ask(pool)
  }

  const refusal = async (work: Promise<unknown>): Promise<ConnectError> => {
    try {
      await work
    } catch (error) {
      return error as ConnectError
    }
    throw new Error('it was expected to fail')
  }

  it('X07: is used unverified by prefer and require', async () => {
    expect(await session('sslmode=prefer')).toMatchObject({ ssl: true })
    expect(await session('sslmode=require')).toMatchObject({ ssl: true })
  })

  it('X07: is verified against a file, by name and by address', async () => {
    const root = `sslrootcert=${file('ca.crt')}`
    expect(await session(`sslmode=verify-ca&${root}`)).toMatchObject({ ssl: true })
    expect(await session(`sslmode=verify-full&${root}`)).toMatchObject({ ssl: true })
    const named = await session(`sslmode=verify-full&${root}`, { host: 'localhost' })
    expect(named).toMatchObject({ ssl: true })
    // Who names an authority wants it used, and verify-full is what it is then used for.
    expect(await session(root)).toMatchObject({ ssl: true })
  })

  it('X07: refuses a server whose authority is not trusted', async () => {
    for (const parameters of [
      'sslmode=verify-ca',
      'sslmode=verify-full',
      'sslrootcert=system',
      `sslmode=require&sslrootcert=${file('client.crt')}`,
    ]) {
      const error = await refusal(session(parameters))
      expect(error).toMatchObject({ name: 'ConnectError', fatal: true })
      expect(error.message).toMatch(/ssl\.ca/)
    }
  })

  it('X07: refuses a certificate for another name under verify-full alone', async () => {
    const { user, password, database, ca } = cluster
    const login = { user, password, database, host: '127.0.0.1', port: far.tls.port }
    const to = (mode: 'verify-ca' | 'verify-full') =>
      open({ ...login, ssl: { mode, ca, serverName: 'db.example.com' } })
    await using lenient = to('verify-ca')
    expect(await ask(lenient)).toMatchObject({ ssl: true })
    await using strict = to('verify-full')
    const error = await refusal(ask(strict))
    expect(error).toMatchObject({ name: 'ConnectError', fatal: true })
    expect(error.message).toContain('the certificate is not for "db.example.com"')
  })

  it('X07: tells a plain client that the server wants TLS', async () => {
    const error = await refusal(session('sslmode=disable'))
    expect(error.name).toBe('AuthenticationError')
    expect(error.message).toContain('set connection.ssl')
  })

  it('X07: goes on in plain text by prefer, and only by it, when the server has no TLS', async () => {
    expect(await session('sslmode=prefer', { at: far.plain })).toMatchObject({ ssl: false })
    for (const mode of ['require', 'verify-ca', 'verify-full']) {
      const error = await refusal(session(`sslmode=${mode}`, { at: far.plain }))
      expect(error).toMatchObject({ name: 'ConnectError', fatal: true })
      expect(error.message).toContain('set ssl: false (sslmode=disable in a URL)')
    }
  })

  it('X07: shows the certificate of the client, with its key locked or not', async () => {
    const certificate = `sslmode=require&sslcert=${file('client.crt')}`
    const open = await session(`${certificate}&sslkey=${file('client.key')}`)
    expect(open).toEqual({ ssl: true, client: '/CN=app' })
    const password = encodeURIComponent(client.passphrase)
    const locked = `${certificate}&sslkey=${file('locked.key')}`
    expect(await session(`${locked}&sslpassword=${password}`)).toEqual(open)
    const error = await refusal(session(`${locked}&sslpassword=wrong`))
    expect(error).toMatchObject({ name: 'ConnectError', fatal: true })
    expect(error.message).toContain('ssl.passphrase is not that of the key')
    expect(error.message).not.toContain('wrong')
  })

  it('X07: begins with TLS when the negotiation is direct', async () => {
    const direct = 'sslnegotiation=direct'
    expect(await session(`${direct}&sslmode=require`)).toMatchObject({ ssl: true })
    const root = `sslrootcert=${file('ca.crt')}`
    expect(await session(`${direct}&sslmode=verify-full&${root}`)).toMatchObject({ ssl: true })
    // That server hangs up, as one would that is going down: so it is tried again.
    const url = `${far.plain.url}?${direct}&sslmode=require`
    await using pool = open(url, { acquireTimeoutMs: 300 + 8 * ADDED_LATENCY_MS })
    const error = await refusal(ask(pool))
    expect(error.name).toBe('AcquireTimeoutError')
    expect(error.message).toContain("ssl.negotiation: 'direct' needs PostgreSQL 17 or newer")
  })

  it.each(['postgres', 'direct'] as const)(
    'X07: cancels over TLS as well, with the negotiation of its session: %s',
    async (negotiation) => {
      await using relay = await startTlsRelay(far.tls.port)
      const { user, password, database } = cluster
      const settings = new ConnectionSettings({
        endpoint: { host: '127.0.0.1', port: relay.port, database },
        user,
        password,
        applicationName: 'cancels over TLS',
        ssl: { mode: 'require', negotiation },
        parameters: {},
      })
      // The driver itself: a pool answers its caller after a while, whether or not a handshake on a
      // busy machine is through.
      const connection = await driver.connect({
        settings,
        password,
        timeoutMs: 30_000,
        signal: new AbortController().signal,
        listener: { closed() {}, notice() {}, notification() {}, parameter() {} },
      })
      onTestFinished(() => connection.destroy('the test is over'))
      const run = (text: string) =>
        new Promise<unknown>((resolve) => {
          connection.run({ text }, (error, result) => resolve(error ?? result?.rows))
        })
      const text = 'select pg_sleep(60)'
      const ended = run(text)
      const running = `select from pg_stat_activity where query = $1 and state = 'active' and pid = $2`
      const { backendPid } = connection.info
      await expect
        .poll(() => cluster.primary.sql(running, [text, backendPid]), { timeout: 20_000 })
        .toHaveLength(1)
      await connection.cancel(30_000)
      expect(await ended).toMatchObject({
        name: 'DatabaseError',
        code: '57014',
        executed: 'rolled-back',
      })
      const how = negotiation === 'direct' ? 'begins with TLS' : 'asks for TLS'
      expect(relay.openings).toEqual([how, how])
      // It was the statement that ended, and not the session.
      expect(await run('select pg_backend_pid() as pid')).toEqual([{ pid: backendPid }])
    },
  )
})
