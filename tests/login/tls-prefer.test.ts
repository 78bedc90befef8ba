import type { Socket } from 'node:net'
import { type ConnectError, type ConnectionPool, createPool } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ADDED_LATENCY_MS } from '../support/added-latency.js'
import { type Far, farAway } from '../support/far-away.js'
import { until } from '../support/until.js'
import { type Opening, startTlsRelay } from './tls-relay.js'

/** Speaks TLS, and refuses every log-in over it. */
let cluster: Cluster
let far: Far
/** What its `pg_hba.conf` says to clients over TLS. */
const RULES = ['hostnossl all all 127.0.0.1/32 scram-sha-256']

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0, tls: true, auth: 'scram-sha-256' })
  await useRules(RULES)
  far = await farAway(cluster.primary.url)
})

afterAll(async () => {
  await far?.[Symbol.asyncDispose]()
  await cluster?.stop()
})

/** Replaces the rules for clients over TCP. */
async function useRules(rules: readonly string[]): Promise<void> {
  const { primary } = cluster
  const [row] = await primary.sql<{ hba_file: string }>('show hba_file')
  const lines = ['local all postgres trust', ...rules].map((line) => `('${line}')`).join(', ')
  await primary.sql(`copy (values ${lines}) to '${row!.hba_file}'`)
  // A session that begins later has the time of the last reload, and its rules.
  const loaded = 'select pg_conf_load_time()::text as at, pg_reload_conf()'
  const [before] = await primary.sql<{ at: string }>(loaded)
  const changed = 'select from (select pg_conf_load_time()::text as at) t where at <> $1'
  await until(
    async () => (await primary.sql(changed, [before!.at])).length > 0,
    'the rules to be loaded',
  )
}

/** Agrees to TLS and then cannot do it. */
function breakOff(client: Socket, opening: Opening): boolean {
  if (opening !== 'asks for TLS') return false
  client.once('data', () => client.write('nonsense'))
  client.write('S')
  return true
}

const drivers = [nodePostgres(), postgresJs()].map((driver) => [driver.name, driver] as const)

describe.each(drivers)('sslmode=prefer through %s', (_name, driver) => {
  function pool(port: number, mode: string, acquireTimeoutMs = 10_000): ConnectionPool {
    const { user, password, database } = cluster
    const login = `${user}:${encodeURIComponent(password)}`
    const connection = `postgres://${login}@127.0.0.1:${port}/${database}?sslmode=${mode}`
    const made = createPool({ driver, connection, max: 1, acquireTimeoutMs })
    onTestFinished(() => made.close({ timeoutMs: 0 }))
    return made
  }

  const encrypted = async (made: ConnectionPool): Promise<unknown> =>
    (await made.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')).rows

  const refusal = (made: ConnectionPool): Promise<ConnectError> =>
    made.query('select 1').then(
      () => expect.fail('it was expected to fail'),
      (error: ConnectError) => error,
    )

  it('X07: goes on in plain text, on a new connection, when the server agrees and the handshake fails', async () => {
    await using relay = await startTlsRelay(far.port, breakOff)
    const made = pool(relay.port, 'prefer')
    expect(await encrypted(made)).toEqual([{ ssl: false }])
    expect(relay.openings).toEqual(['asks for TLS', 'plain text'])
    // What was found out for the session holds for its cancel request.
    await made.query('select pg_sleep(60)', [], { timeoutMs: 50 }).catch(() => {})
    await made.query('select 1')
    expect(relay.openings).toEqual(['asks for TLS', 'plain text', 'plain text'])
  })

  it('X07: is the only mode that does', async () => {
    await using relay = await startTlsRelay(far.port, breakOff)
    const error = await refusal(pool(relay.port, 'require', 500 + 8 * ADDED_LATENCY_MS))
    expect(error.message).toContain('the TLS handshake failed')
    expect(relay.openings).not.toContain('plain text')
  })

  it('X07: goes on in plain text when the server refuses log-ins over TLS, as libpq does', async () => {
    await using relay = await startTlsRelay(far.port)
    expect(await encrypted(pool(relay.port, 'prefer'))).toEqual([{ ssl: false }])
    expect(relay.openings).toEqual(['asks for TLS', 'plain text'])
    const error = await refusal(pool(relay.port, 'require'))
    expect(error).toMatchObject({ name: 'AuthenticationError', sqlState: '28000', fatal: true })
    expect(relay.openings).toEqual(['asks for TLS', 'plain text', 'asks for TLS'])
  })

  it('X07: says what the server said over TLS when it refuses every log-in', async () => {
    await useRules([])
    onTestFinished(() => useRules(RULES))
    const error = await refusal(pool(far.port, 'prefer'))
    expect(error).toMatchObject({ name: 'AuthenticationError', sqlState: '28000' })
    expect(error.message).toContain('SSL encryption')
  })

  it('X07: does not repeat a wrong password in plain text', async () => {
    await useRules(['hostssl all all 127.0.0.1/32 scram-sha-256'])
    onTestFinished(() => useRules(RULES))
    await using relay = await startTlsRelay(far.port)
    const { user, database } = cluster
    const connection = `postgres://${user}:wrong@127.0.0.1:${relay.port}/${database}?sslmode=prefer`
    await using made = createPool({ driver, connection, max: 1 })
    expect(await refusal(made)).toMatchObject({ name: 'AuthenticationError', sqlState: '28P01' })
    expect(relay.openings).toEqual(['asks for TLS'])
  })
})
