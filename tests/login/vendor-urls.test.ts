import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionPool, createPool } from '@poolhouse/core'
import { parseConnectionUrl } from '@poolhouse/core/kit'
import { startWireServer } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DriverAndServer, everyServer } from '../support/every-server.js'
import { type VendorAddress, vendorAddress } from '../support/vendors/vendor-address.js'
import { VENDOR_URLS as AS_HANDED_OUT } from '../support/vendors/vendor-urls.js'
import { makeClientCertificate } from './client-certificate.js'

// The superuser of the local server may not log in over TCP.
const VENDOR_URLS = AS_HANDED_OUT.map((each) => ({
  ...each,
  url: each.url.replace('//postgres:', '//postgres_user:'),
}))
// What a URL says does not depend on the version of the server.
const newest = (servers: readonly DriverAndServer[]): readonly DriverAndServer[] =>
  servers.filter(({ version }) => version === 18)
const CLOUD_SQL = '/cloudsql/'
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`
// A vendor's proxy takes the words out; PostgreSQL does not know them.
const isRouted = (url: string): boolean => /options=(?:endpoint|reference)/.test(url)
const isSocket = (url: string): boolean => url.includes(CLOUD_SQL)
const hasMode = (url: string): boolean => url.includes('sslmode=')

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ph-'))
})
afterAll(() => rm(directory, { recursive: true }))

function with_(url: string, parameters: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}${parameters}`
}

describe.skipIf(process.platform !== 'linux').each(newest(everyServer({ tls: true })))(
  'URLs as vendors hand them out over $driver on PostgreSQL $version',
  ({ make, cluster, version }) => {
    let address: VendorAddress
    let ca: string

    beforeAll(async () => {
      const { primary, ca: pem } = await cluster()
      address = vendorAddress(primary.port, version)
      ca = join(directory, `ca-${version}.pem`)
      await writeFile(ca, pem!)
      const names = VENDOR_URLS.map(({ url }) => parseConnectionUrl('test', url))
      const roles = new Map(names.map(({ user, password }) => [user!, password!]))
      const there = new Set(
        (
          await primary.sql<{ name: string }>(
            'select rolname as name from pg_roles union all select datname from pg_database',
          )
        ).map(({ name }) => name),
      )
      for (const [role, password] of roles) {
        await primary.sql(
          `${there.has(role) ? 'alter' : 'create'} role ${quote(role)} login password '${password}'`,
        )
      }
      for (const name of new Set(names.map(({ database, user }) => database ?? user!))) {
        if (!there.has(name)) await primary.sql(`create database ${quote(name)}`)
      }
    })
    afterAll(() => address?.[Symbol.asyncDispose]())

    /** A pool of the vendor's URL, which leads to the local server. */
    async function open(url: string): Promise<ConnectionPool> {
      const local = url.replace('CA_FILE', encodeURIComponent(ca))
      await address.listen(parseConnectionUrl('test', url).hosts[0]!.port ?? 5432)
      return createPool({
        driver: make(),
        connection: with_(local, `hostaddr=${address.host}`),
      })
    }

    const direct = VENDOR_URLS.filter(({ url }) => !isRouted(url) && !isSocket(url))

    it.each(direct)('T34: that of $vendor connects, pooled: $pooled', async ({ url, pooled }) => {
      // Without a mode the vendor's own authority is needed; the local one is for the name of this
      // machine.
      const usable = url.includes('verify-full')
        ? url.replace('verify-full', 'verify-ca')
        : hasMode(url)
          ? url
          : with_(url, `sslmode=verify-ca&sslrootcert=${encodeURIComponent(ca)}`)
      await using pool = await open(usable)
      const { user, database } = parseConnectionUrl('test', url)
      expect(pool.pooler).toBe(pooled ? 'pgbouncer' : undefined)
      const ask = async (): Promise<unknown> =>
        (
          await pool.query(
            'select current_user as user, current_database() as database, ssl, $1::int as n from pg_stat_ssl where pid = pg_backend_pid()',
            [1],
          )
        ).rows[0]
      const answer = { user, database: database ?? user, ssl: true, n: 1 }
      for (let use = 0; use < 4; use++) expect(await ask()).toEqual(answer)
      const { rows } = await pool.query('select count(*)::int as names from pg_prepared_statements')
      expect(rows[0]).toEqual({ names: pooled ? 0 : 1 })
    })

    it.each(direct.filter(({ url }) => !hasMode(url)))(
      'T34: that of $vendor is verified, and the error says how to trust an authority',
      async ({ url }) => {
        await using pool = await open(url)
        await expect(pool.query('select 1')).rejects.toMatchObject({
          name: 'ConnectError',
          message: expect.stringMatching(/ssl\.ca \(sslrootcert=FILE/),
        })
      },
    )

    it('T34: that of RDS is verified by the name of the vendor, though it leads elsewhere', async () => {
      const { url } = VENDOR_URLS.find(({ vendor }) => vendor.startsWith('Amazon'))!
      await using pool = await open(url)
      await expect(pool.query('select 1')).rejects.toThrow(
        'the certificate is not for "shop.abcdefghijkl.us-east-1.rds.amazonaws.com"',
      )
    })

    it('T34: the parameters of Prisma are options of the pool', async () => {
      const { url } = VENDOR_URLS.find(({ vendor }) => vendor.startsWith("Prisma's own"))!
      await using pool = await open(url)
      const { rows } = await pool.query('show search_path')
      expect(rows[0]).toEqual({ search_path: '"shop"' })
      expect(pool.stats()).toMatchObject({ max: 5 })
    })

    it('T34: the versions of TLS are honoured', async () => {
      const url = VENDOR_URLS.find(({ vendor }) => vendor === 'Aiven')!.url
      await using old = await open(with_(url, 'ssl_max_protocol_version=TLSv1.2&sslsni=0'))
      const ask = 'select version from pg_stat_ssl where pid = pg_backend_pid()'
      expect((await old.query(ask)).rows).toEqual([{ version: 'TLSv1.2' }])
      await using newest = await open(with_(url, 'ssl_min_protocol_version=TLSv1.3'))
      expect((await newest.query(ask)).rows).toEqual([{ version: 'TLSv1.3' }])
    })
  },
)

describe.each(newest(everyServer()))('a socket of a vendor over $driver', ({ make }) => {
  it('T34: that of Cloud SQL connects to the socket of its proxy, which speaks plain text', async () => {
    const { url } = VENDOR_URLS.find((each) => isSocket(each.url))!
    const { user, password, database } = parseConnectionUrl('test', url)
    await using server = await startWireServer({ auth: 'scram-sha-256', password: password! })
    await using address = vendorAddress(server.port, 102)
    const local = url.replace(CLOUD_SQL, `${await mkdtemp(join(directory, 's-'))}/`)
    await address.listenAtSocket(parseConnectionUrl('test', local).hosts[0]!.host!)
    await using pool = createPool({ driver: make(), connection: local })
    expect(pool.name).toMatch(/^\/.*project:us-central1:shop:5432\/shop$/)
    const { rows } = await pool.query('select current_user as user, current_database() as database')
    expect(rows).toEqual([{ user, database }])
  })
})

describe.skipIf(process.platform !== 'linux').each(newest(everyServer()))(
  'words for the proxy of a vendor over $driver',
  ({ make }) => {
    it.each(VENDOR_URLS.filter(({ url }) => isRouted(url)))(
      'T34: that of $vendor sends them as they stand, beside run-time parameters',
      async ({ url, pooled }) => {
        const { password, routing, hosts } = parseConnectionUrl('test', url)
        const seen: (string | undefined)[] = []
        const { cert, key } = makeClientCertificate('db')
        await using server = await startWireServer({
          auth: 'scram-sha-256',
          password: password!,
          tls: { cert, key },
          onConnect: ({ startup }) => {
            seen.push(startup.get('options'))
            return undefined
          },
        })
        await using address = vendorAddress(server.port, pooled ? 100 : 101)
        await address.listen(hosts[0]!.port ?? 5432)
        const secure = hasMode(url) ? url : with_(url, 'sslmode=require')
        const there = with_(secure, `hostaddr=${address.host}`)
        await using pool = createPool({ driver: make(), connection: there })
        await pool.query('select 1')
        expect(seen).toEqual([routing])
        expect(routing).toMatch(/^(?:endpoint|reference)=\w/)
        if (pooled) return
        const more = there.replace(/options=[^&]*/, '$&%20-c%20work_mem%3D4MB')
        await using other = createPool({ driver: make(), connection: more })
        await other.query('select 1')
        expect(seen[1]).toBe(`${routing} -c work_mem=4MB`)
      },
    )
  },
)
