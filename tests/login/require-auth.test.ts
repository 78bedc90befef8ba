import { type ConnectError, createPool, type PoolOptions } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { postgresJs } from '@poolhouse/postgres-js'
import { startWireServer, type WireScript } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { farAway } from '../support/far-away.js'

const drivers = [nodePostgres(), postgresJs()].map((driver) => [driver.name, driver] as const)
const PASSWORD = 'p@ss w0rd'

describe.each(drivers)('a log-in through %s', (_name, driver) => {
  /** Logs in to a server that plays a script; resolves with undefined or with what went wrong. */
  async function logIn(
    script: WireScript,
    options: Partial<PoolOptions> = {},
  ): Promise<ConnectError | undefined> {
    await using server = await startWireServer(script)
    await using far = await farAway(server.url)
    const connection = {
      host: '127.0.0.1',
      port: far.port,
      user: 'wire',
      password: PASSWORD,
      database: 'wire',
    }
    await using pool = createPool({ driver, connection, max: 1, ...options })
    try {
      await pool.query('select 1')
      return undefined
    } catch (error) {
      return error as ConnectError
    }
  }

  const script = (auth: WireScript['auth']): WireScript =>
    auth === 'trust' ? {} : { auth: auth!, password: PASSWORD }

  it('X08: takes SCRAM, and a server that asks for nothing when there is no password to lose', async () => {
    expect(await logIn(script('scram-sha-256'))).toBeUndefined()
    await using server = await startWireServer({})
    await using far = await farAway(server.url)
    await using pool = createPool({ driver, connection: far.url, max: 1 })
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  it.each([
    ['trust', 'none', 'asks for no proof'],
    ['cleartext', 'password', 'in clear text'],
    ['md5', 'md5', 'an MD5 hash'],
  ] as const)(
    'X08: refuses a server with a password that does not prove itself by %s unless requireAuth has "%s"',
    async (auth, method, said) => {
      const error = await logIn(script(auth))
      expect(error).toMatchObject({ name: 'AuthenticationError', fatal: true, executed: 'no' })
      expect(error?.message).toContain(said)
      expect(error?.message).toContain(`requireAuth: ['${method}', 'scram-sha-256']`)
      expect(error?.message).not.toContain(PASSWORD)
      expect(await logIn(script(auth), { requireAuth: [method] })).toBeUndefined()
    },
  )

  it('X08: refuses whatever requireAuth does not name', async () => {
    const error = await logIn(script('scram-sha-256'), { requireAuth: ['none', 'md5'] })
    expect(error?.message).toContain('requireAuth accepts only none, md5')
  })

  it.each(['skip', 'wrong'] as const)(
    'X08: never takes a server that begins SCRAM and whose proof is: %s',
    async (proof) => {
      const cheat: WireScript = { ...script('scram-sha-256'), scram: { proof } }
      const all = ['none', 'password', 'md5', 'scram-sha-256'] as const
      for (const options of [{}, { requireAuth: all }]) {
        const error = await logIn(cheat, options)
        expect(error).toMatchObject({ name: 'AuthenticationError', fatal: true })
        expect(error?.message).toContain('skipped the proof')
      }
    },
  )

  it('X09: does not work for a server that asks for more iterations than any needs', async () => {
    const greedy: WireScript = { ...script('scram-sha-256'), scram: { iterations: 600_001 } }
    const error = await logIn(greedy)
    expect(error).toMatchObject({ name: 'AuthenticationError', fatal: true })
    expect(error?.message).toContain('600001 SCRAM iterations')
  })
})
