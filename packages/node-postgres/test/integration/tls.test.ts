import { rootCertificates } from 'node:tls'
import type { SslMode, SslSettings } from '@poolhouse/core'
import { type Cluster, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, type Login, openSession, untilRunning, untilSocketsTo } from '../open-session.js'

let cluster: Cluster
let plain: Cluster

beforeAll(async () => {
  ;[cluster, plain] = await Promise.all([
    startCluster({ replicas: 0, tls: true, auth: 'scram-sha-256' }),
    startCluster({ replicas: 0 }),
  ])
})

afterAll(async () => {
  await Promise.all([cluster?.stop(), plain?.stop()])
})

const encrypted = async (ssl: SslSettings, login: Login = {}): Promise<unknown> => {
  await using session = await openSession(cluster, cluster.primary, { ...login, ssl })
  const { rows } = await session.query<{ ssl: boolean }>(
    'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
  )
  return rows[0]?.ssl
}

describe('a server with TLS', () => {
  it('is used encrypted but unverified by prefer and require', async () => {
    expect(await encrypted({ mode: 'prefer' })).toBe(true)
    expect(await encrypted({ mode: 'require' })).toBe(true)
  })

  it('is verified by verify-ca and verify-full against the given authority', async () => {
    const ca = cluster.ca!
    expect(await encrypted({ mode: 'verify-ca', ca })).toBe(true)
    expect(await encrypted({ mode: 'verify-full', ca })).toBe(true)
    expect(
      await encrypted({ mode: 'verify-full', ca: Buffer.from(ca) }, { host: 'localhost' }),
    ).toBe(true)
  })

  it('is refused, with the option to set, when its authority is unknown', async () => {
    for (const mode of ['verify-ca', 'verify-full'] as const) {
      const error = await failure(encrypted({ mode }))
      expect(error.name).toBe('ConnectError')
      expect(error.message).toMatch(/ssl\.ca/)
    }
    await untilSocketsTo(cluster.primary.port, 0)
  })

  it('is refused only by verify-full when its certificate is for another name', async () => {
    const ca = cluster.ca!
    const serverName = 'db.example.com'
    const error = await failure(encrypted({ mode: 'verify-full', ca, serverName }))
    expect(error.message).toContain(
      'the certificate is not for "db.example.com"; connect by a name it carries, or set ssl.serverName to one',
    )
    expect(await encrypted({ mode: 'verify-ca', ca, serverName })).toBe(true)
    expect(await encrypted({ mode: 'verify-full', ca, serverName: 'localhost' })).toBe(true)
  })

  it('is verified by require too when an authority is given, as in libpq', async () => {
    expect(await encrypted({ mode: 'require', ca: cluster.ca })).toBe(true)
    const ca = rootCertificates[0]!
    expect((await failure(encrypted({ mode: 'require', ca }))).message).toMatch(/ssl\.ca/)
  })

  it('that requires TLS gets an error with a hint for a plain client', async () => {
    const error = await failure(encrypted({ mode: 'disable' }))
    expect(error.name).toBe('AuthenticationError')
    expect(error.message).toContain('set connection.ssl')
  })

  it('explains a bad client certificate', async () => {
    const error = await failure(encrypted({ mode: 'require', cert: 'no PEM', key: 'no PEM' }))
    expect(error.name).toBe('ConnectError')
    await untilSocketsTo(cluster.primary.port, 0)
  })

  it('has sessions that know their peer and last byte, cancel over TLS and can be destroyed at once', async () => {
    const login = { ssl: { mode: 'verify-full', ca: cluster.ca }, host: 'localhost' } as const
    await using session = await openSession(cluster, cluster.primary, login)
    const { connection } = session
    expect(connection.info.address).toBe('127.0.0.1')
    expect(connection.info.port).toBe(cluster.primary.port)
    const before = connection.lastByteAt
    const running = failure(session.query('select pg_sleep(60)'))
    await untilRunning(cluster, session, 'select pg_sleep(60)')
    await connection.cancel(5_000)
    expect(await running).toMatchObject({ code: '57014' })
    expect(connection.lastByteAt).toBeGreaterThan(before)
    connection.unref()
    connection.ref()
    const last = failure(session.query('select pg_sleep(60)'))
    connection.destroy('enough')
    expect(await last).toMatchObject({ executed: 'unknown' })
    expect(await session.heard.over).toBe('enough')
    await untilSocketsTo(cluster.primary.port, 0)
  })

  it('ends terminated and closed sessions as without TLS', async () => {
    const login = { ssl: { mode: 'require' } } as const
    await using session = await openSession(cluster, cluster.primary, login)
    await cluster.primary.sql('select pg_terminate_backend($1)', [
      session.connection.info.backendPid,
    ])
    expect(await session.heard.over).toMatchObject({ code: '57P01' })
    await using second = await openSession(cluster, cluster.primary, login)
    await second.connection.close(5_000)
    expect(second.heard.closed).toEqual(['it was closed'])
    await untilSocketsTo(cluster.primary.port, 0)
  })
})

describe('a server without TLS', () => {
  it('is used in plain text by prefer and disable', async () => {
    for (const mode of ['prefer', 'disable'] as const) {
      await using session = await openSession(plain, plain.primary, { ssl: { mode } })
      expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    }
  })

  it('is refused by the other modes, with the option to set', async () => {
    for (const mode of ['require', 'verify-ca', 'verify-full'] satisfies SslMode[]) {
      const error = await failure(openSession(plain, plain.primary, { ssl: { mode } }))
      expect(error).toMatchObject({ name: 'ConnectError', fatal: true })
      expect(error.message).toContain(`the server does not support TLS`)
      expect(error.message).toContain('set ssl: false (sslmode=disable in a URL)')
    }
    await untilSocketsTo(plain.primary.port, 0)
  })
})
