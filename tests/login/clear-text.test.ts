import { writeFile } from 'node:fs/promises'
import { createPool, type SslOptions } from '@poolhouse/core'
import type { Cluster } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { until } from '../support/until.js'

/** Makes the server ask for passwords in clear text. */
async function askInClear({ primary }: Cluster): Promise<void> {
  const [row] = await primary.sql<{ file: string }>(`select current_setting('hba_file') as file`)
  const rules = [
    'local all all trust',
    'host all postgres all trust',
    'hostssl all all all password',
  ]
  await writeFile(row!.file, `${rules.join('\n')}\n`)
  await primary.sql('select pg_reload_conf()')
  await until(async () => {
    const [first] = await primary.sql<{ methods: string }>(
      `select string_agg(auth_method, ',' order by line_number) as methods from pg_hba_file_rules`,
    )
    return first!.methods.endsWith('password')
  }, 'the rules to be read')
}

describe.each(everyServer({ tls: true }))(
  'a server that asks for the password in clear text, over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    const driver = make()
    const pool = ({ primary }: Cluster, ssl: SslOptions) => {
      const { hostname, port, username, password, pathname } = new URL(primary.url)
      return createPool({
        driver,
        connection: {
          host: hostname,
          port: Number(port),
          user: username,
          password: decodeURIComponent(password),
          database: pathname.slice(1),
          ssl,
        },
      })
    }

    it('T30: is not told where its certificate proves nothing', async () => {
      const started = await cluster()
      await askInClear(started)
      for (const ssl of [{ mode: 'require' }, { mode: 'require', ca: '' }] as const) {
        await using unverified = pool(started, ssl)
        const error = await failureOf(unverified.query('select 1'))
        expect(error).toMatchObject({ name: 'AuthenticationError', executed: 'no' })
        expect((error as Error).message).toContain('in clear text')
      }
    })

    it('T30: is told where an authority of our own has signed its certificate', async () => {
      const started = await cluster()
      await askInClear(started)
      for (const mode of ['require', 'verify-ca', 'verify-full'] as const) {
        await using verified = pool(started, { mode, ca: started.ca })
        expect((await verified.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      }
    })
  },
)
