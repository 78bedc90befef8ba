import { writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { createPool, type Driver, type PoolOptions } from '@poolhouse/core'
import { type Cluster, startPgBouncer } from '@poolhouse/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { makeSelfSigned, type SelfSigned, type Signature } from '../support/servers/self-signed.js'
import { sharedCluster } from '../support/servers/shared-cluster.js'
import { until } from '../support/until.js'

type Channel = 'disable' | 'prefer' | 'require'

const keyOf = ({ key }: SelfSigned): string =>
  key.export({ type: 'pkcs8', format: 'pem' }) as string

async function logIn(driver: Driver, url: string, channel?: Channel): Promise<unknown> {
  await using pool = createPool({
    driver,
    connection: `${url}?sslmode=require${channel === undefined ? '' : `&channel_binding=${channel}`}`,
    max: 1,
    acquireTimeoutMs: 5_000,
  } satisfies PoolOptions)
  const { rows } = await pool.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
  return rows[0]
}

/** Gives the running server another certificate. */
async function certify({ primary }: Cluster, certificate: SelfSigned): Promise<void> {
  const [row] = await primary.sql<{ cert: string; key: string }>(
    `select current_setting('ssl_cert_file') as cert, current_setting('ssl_key_file') as key`,
  )
  const folder = await primary.sql<{ path: string }>(
    `select current_setting('data_directory') as path`,
  )
  await writeFile(resolve(folder[0]!.path, row!.cert), certificate.cert)
  await writeFile(resolve(folder[0]!.path, row!.key), keyOf(certificate))
  await primary.sql('select pg_reload_conf()')
}

/**
 * Waits until new sessions are shown this certificate: the server reads it some time after it was
 * told to.
 */
async function shown({ primary }: Cluster, { cert }: SelfSigned): Promise<void> {
  await until(
    async () => (await certificateOf(primary.port)) === pemBody(cert),
    'the new certificate',
  )
}

const pemBody = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '')

function certificateOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', reject)
    socket.write(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]))
    socket.once('data', () => {
      const secure = connectTls({ socket, rejectUnauthorized: false }, () => {
        const raw = secure.getPeerX509Certificate()!.raw.toString('base64')
        secure.destroy()
        resolve(raw)
      })
      secure.on('error', reject)
    })
  })
}

/**
 * Someone in the middle, with a certificate of their own on the one side and an honest client of
 * the server on the other.
 */
async function startMiddle(port: number, certificate: SelfSigned): Promise<number> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  }
  const listener: Server = createServer((client) => {
    keep(client).once('data', () => {
      client.write('S')
      const victim = new TLSSocket(client, {
        isServer: true,
        cert: certificate.cert,
        key: keyOf(certificate),
      })
      victim.on('error', () => client.destroy())
      const upstream = keep(connect(port, '127.0.0.1'))
      upstream.write(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]))
      upstream.once('data', () => {
        const server = connectTls({ socket: upstream, rejectUnauthorized: false })
        server.on('error', () => client.destroy())
        victim.pipe(server).pipe(victim)
      })
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return (listener.address() as { port: number }).port
}

describe.each(everyServer({ tls: true }))(
  'channel binding over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const driver = make()

    it('T34: channel_binding=require logs in over TLS, and so do prefer, disable and no word', async () => {
      const { url } = (await cluster()).primary
      for (const channel of ['require', 'prefer', 'disable', undefined] as const) {
        expect(await logIn(driver, url, channel)).toEqual({ ssl: true })
      }
    })

    it('a log-in that someone in the middle passes on is refused by the server, unless binding is disabled', async () => {
      const { primary } = await cluster()
      const port = await startMiddle(primary.port, makeSelfSigned('localhost', 'ecdsa-sha256'))
      const url = primary.url.replace(`:${primary.port}`, `:${port}`)
      for (const channel of ['require', 'prefer'] as const) {
        const error = await failureOf(logIn(driver, url, channel))
        expect(error).toMatchObject({ name: 'AuthenticationError', executed: 'no' })
      }
      expect(await logIn(driver, url, 'disable')).toEqual({ ssl: true })
    })
  },
)

describe('certificates', () => {
  const cluster = sharedCluster({ replicas: 0, tls: true, auth: 'scram-sha-256' })
  const SIGNATURES: readonly Signature[] = [
    'ecdsa-sha256',
    'ecdsa-sha384',
    'ecdsa-sha512',
    'rsa-sha256',
    'rsa-sha512',
    'rsa-pss-sha256',
    'rsa-pss-sha384',
  ]

  it.each(SIGNATURES)('signed by %s bind the log-in', async (signature) => {
    const certificate = makeSelfSigned('localhost', signature)
    await certify(await cluster(), certificate)
    await shown(await cluster(), certificate)
    const { url } = (await cluster()).primary
    for (const { make } of DRIVERS) {
      expect(await logIn(make(), url, 'require')).toEqual({ ssl: true })
    }
  })

  it('signed by Ed25519, which has no hash of its own, do not: prefer goes without, require says why', async () => {
    const certificate = makeSelfSigned('localhost', 'ed25519')
    await certify(await cluster(), certificate)
    await shown(await cluster(), certificate)
    const { url } = (await cluster()).primary
    for (const { make } of DRIVERS) {
      expect(await logIn(make(), url, 'prefer')).toEqual({ ssl: true })
      const error = (await failureOf(logIn(make(), url, 'require'))) as Error
      expect(error).toMatchObject({ name: 'AuthenticationError', fatal: true })
      expect(error.message).toContain('Ed25519')
    }
  })
})

describe('without TLS', () => {
  const cluster = sharedCluster({ replicas: 0, auth: 'scram-sha-256' })

  it('channel_binding=require is refused before the password is used', async () => {
    const { url } = (await cluster()).primary
    for (const { make } of DRIVERS) {
      await using pool = createPool({
        driver: make(),
        connection: `${url}?sslmode=disable&channel_binding=require`,
      })
      const error = (await failureOf(pool.query('select 1'))) as Error
      expect(error.message).toContain("connection.channelBinding is 'require'")
    }
  })
})

/** A proxy of the user's own, which adds TLS on the way to the server; clients come without. */
async function startAdder(port: number): Promise<number> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  }
  const listener: Server = createServer((client) => {
    keep(client)
    const upstream = keep(connect(port, '127.0.0.1'))
    upstream.write(Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]))
    upstream.once('data', () => {
      const server = connectTls({ socket: upstream, rejectUnauthorized: false })
      server.on('error', () => client.destroy())
      client.pipe(server).pipe(client)
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return (listener.address() as { port: number }).port
}

describe('a proxy that adds TLS on the way', () => {
  const cluster = sharedCluster({ replicas: 0, tls: true, auth: 'scram-sha-256' })

  it('is refused as by libpq, with the option that lets it pass', async () => {
    const { primary } = await cluster()
    const port = await startAdder(primary.port)
    const url = `${primary.url.replace(`:${primary.port}`, `:${port}`)}?sslmode=disable`
    for (const { make } of DRIVERS) {
      await using refused = createPool({ driver: make(), connection: url })
      const error = (await failureOf(refused.query('select 1'))) as Error
      expect(error.message).toContain("set connection.channelBinding to 'disable'")
      await using passes = createPool({
        driver: make(),
        connection: `${url}&channel_binding=disable`,
      })
      expect((await passes.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    }
  })
})

describe('PgBouncer, which does not offer channel binding', () => {
  const cluster = sharedCluster({ replicas: 0, auth: 'scram-sha-256' })

  it('is logged in to under prefer, and refused under require', async () => {
    const { primary } = await cluster()
    const pooler = await startPgBouncer({ target: primary.url, auth: 'scram-sha-256', tls: true })
    onTestFinished(() => pooler.stop())
    for (const { make } of DRIVERS) {
      await using pool = createPool({
        driver: make(),
        connection: `${pooler.url}?sslmode=require`,
        pooler: 'pgbouncer',
      })
      expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      const error = (await failureOf(logIn(make(), pooler.url, 'require'))) as Error
      expect(error.message).toContain('SCRAM-SHA-256-PLUS')
    }
  })
})
