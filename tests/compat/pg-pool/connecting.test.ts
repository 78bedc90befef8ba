import type pg from 'pg'
import { expect, test } from 'vitest'
import { failureOf } from '../../support/failure-of.js'
import { guardProcess } from '../../support/process-guards.js'
import { ALL, BOTH, called, describePgPools } from '../support/pg-pools.js'

guardProcess()

type Connected = [Error | undefined, pg.PoolClient | undefined, (error?: unknown) => void]

describePgPools(ALL, ({ make, kind }) => {
  test('hands a callback a client, undefined for an error, and a function that releases', async () => {
    const pool = make()
    const [error, client, release] = await called<Connected>((callback) => pool.connect(callback))
    expect(error).toBeUndefined()
    const [none, result] = await called<[Error | null, pg.QueryResult]>((callback) =>
      client!.query('select 1 as n', callback as never),
    )
    expect(none).toBeNull()
    expect(result.rows).toEqual([{ n: 1 }])
    release()
    expect(() => release()).toThrow('already been released')
  })

  test('returns nothing from the callback forms of connect, query and end', async () => {
    const pool = make()
    const returned: unknown[] = []
    const [, , release] = await called<Connected>((callback) => {
      returned.push(pool.connect(callback))
    })
    release()
    await called((callback) => {
      returned.push(pool.query('select 1', callback))
    })
    await called((callback) => {
      returned.push(pool.end(callback as () => void))
    })
    expect(returned).toEqual([undefined, undefined, undefined])
  })

  test('never calls back before it has returned', async () => {
    const pool = make()
    const client = await pool.connect()
    client.release()
    const order: string[] = []
    await new Promise<void>((resolve) => {
      pool.connect((_error, _client, release) => {
        order.push('called back')
        release()
        resolve()
      })
      order.push('returned')
    })
    const asked = called((callback) => pool.query('select 1', callback)).then(() =>
      order.push('called back'),
    )
    order.push('returned')
    await asked
    expect(order).toEqual(['returned', 'called back', 'returned', 'called back'])
  })

  test('resolves with a client whose queries resolve', async () => {
    const pool = make()
    const client = await pool.connect()
    const { rows } = await client.query('select $1::text as name', ['x'])
    expect(rows).toEqual([{ name: 'x' }])
    client.release()
  })

  test('runs queries of its own with and without values, in every call form', async () => {
    const pool = make()
    const rows = [
      (await pool.query('select 1 as n')).rows,
      (await pool.query('select $1::int as n', [1])).rows,
      (await pool.query({ text: 'select $1::int as n', values: [1] })).rows,
      (await pool.query({ text: 'select $1::int as n' }, [1])).rows,
      (await pool.query({ text: 'select $1::int as n', name: 'named', values: [1] })).rows,
    ]
    for (const form of [
      ['select 1 as n'],
      ['select $1::int as n', [1]],
      [{ text: 'select 1 as n' }],
    ]) {
      const [error, result] = await called<[Error | undefined, pg.QueryResult]>((callback) =>
        (pool.query as (...args: unknown[]) => void)(...form, callback),
      )
      expect(error).toBeUndefined()
      rows.push(result.rows)
    }
    expect(rows).toEqual(rows.map(() => [{ n: 1 }]))
  })

  test('runs the queries of one client in the order in which they were given', async () => {
    const pool = make()
    const client = await pool.connect()
    const order: number[] = []
    const runs = [3, 1, 2].map(async (n, index) => {
      await client.query('select pg_sleep($1)', [n / 100])
      order.push(index)
    })
    await Promise.all(runs)
    client.release()
    expect(order).toEqual([0, 1, 2])
  })

  test('answers several statements in one text with a result for each', async () => {
    const pool = make()
    const client = await pool.connect()
    const texts = 'select 1 as a; select 2 as b where false; select 3 as c'
    const results = (await client.query(texts)) as unknown as pg.QueryResult[]
    client.release()
    const ofPool = (await pool.query(texts)) as unknown as pg.QueryResult[]
    const shown = [results, ofPool].map((all) => all.map(({ rows, rowCount }) => [rowCount, rows]))
    const expected = [
      [1, [{ a: 1 }]],
      [0, []],
      [1, [{ c: 3 }]],
    ]
    expect(shown).toEqual([expected, expected])
  })

  test('resolves with the result although the config has a callback, which is for clients', async () => {
    const pool = make()
    pool.on('connect', () => {})
    let calls = 0
    const callback = (): void => {
      calls++
    }
    const asked = { text: 'select 1 as n', callback } as pg.QueryConfig
    expect((await pool.query(asked)).rows).toEqual([{ n: 1 }])
    const several = { ...asked, text: 'select 1 as n; select 2 as n' }
    const results = (await pool.query(several)) as unknown as pg.QueryResult[]
    expect(results.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }]])
    expect(calls).toBe(0)
  })

  test('refuses a function in the place of a query', async () => {
    const pool = make()
    const [error] = await called<[Error]>((callback) => pool.query(callback as never))
    expect(error.message).toContain('Passing a function as the first parameter')
  })

  test('refuses a query that is none', async () => {
    const pool = make()
    await expect(pool.query(null as never)).rejects.toThrow(TypeError)
    const client = await pool.connect()
    expect(() => client.query(undefined as never)).toThrow(TypeError)
    client.release()
  })

  test('lends clients that cannot be connected again', async () => {
    const pool = make()
    const client = await pool.connect()
    expect((await failureOf(client.connect())).message).toContain('already been connected')
    client.release()
  })

  if (kind !== 'createPgPool, lazy') {
    test('lends the same object for the same connection', async () => {
      const pool = make({ max: 1 })
      const first = await pool.connect()
      Object.assign(first, { noted: 'x', [Symbol.for('note')]: 'y' })
      first.release()
      const second = await pool.connect()
      expect(second).toBe(first)
      expect(second).toMatchObject({ noted: 'x', [Symbol.for('note')]: 'y' })
      second.release()
    })
  }
})

describePgPools(BOTH, ({ make, server, isOurs }) => {
  test('takes host, port, user, password and database apart from a connection string', async () => {
    const { hostname, port, username, password, pathname } = new URL(server.url)
    const pool = make({
      connectionString: undefined as never,
      host: hostname,
      port: Number(port),
      user: username,
      // Asked for by `pg` if the server wants it, by ours in any case.
      password: async () => decodeURIComponent(password),
      ...(isOurs && { requireAuth: ['none' as const, 'scram-sha-256' as const] }),
      database: pathname.slice(1),
      application_name: 'by parts',
    })
    const { rows } = await pool.query(
      `select current_user as who, current_database() as what, current_setting('application_name') as name`,
    )
    expect(rows).toEqual([{ who: username, what: pathname.slice(1), name: 'by parts' }])
  })

  test('goes by the environment without any option', async () => {
    const { hostname, port, username, password, pathname } = new URL(server.url)
    const environment = {
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: decodeURIComponent(password),
      PGDATABASE: pathname.slice(1),
    }
    Object.assign(process.env, environment)
    try {
      const pool = make({ connectionString: undefined as never })
      expect((await pool.query('select current_user as who')).rows).toEqual([{ who: username }])
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name]
    }
  })

  test('leaves the options that it was given as they are, and hides the password', async () => {
    const options = Object.freeze({ max: 3, password: 'secret' })
    const pool = make(options)
    expect(options).toEqual({ max: 3, password: 'secret' })
    expect(pool.options).toMatchObject({ max: 3, min: 0, idleTimeoutMillis: 10_000 })
    expect(JSON.stringify(pool.options)).not.toContain('secret')
    expect(pool.options.password).toBe('secret')
  })

  test('sends start-up options and time-outs to the server', async () => {
    const pool = make({
      statement_timeout: 1234,
      lock_timeout: 2345,
      idle_in_transaction_session_timeout: 3456,
      options: '-c search_path=pg_catalog -c extra_float_digits=2',
    })
    const names = [
      'statement_timeout',
      'lock_timeout',
      'idle_in_transaction_session_timeout',
      'search_path',
      'extra_float_digits',
    ]
    const settings = names.map((name) => `current_setting('${name}') as ${name}`)
    expect((await pool.query(`select ${settings.join(', ')}`)).rows).toEqual([
      {
        statement_timeout: '1234ms',
        lock_timeout: '2345ms',
        idle_in_transaction_session_timeout: '3456ms',
        search_path: 'pg_catalog',
        extra_float_digits: '2',
      },
    ])
  })

  test('reads values with the types that it was given', async () => {
    const types = { getTypeParser: () => (text: string) => `<${text}>` } as never
    const pool = make({ types })
    const client = await pool.connect()
    const ofClient = await client.query('select 1 as n')
    client.release()
    expect([ofClient.rows, (await pool.query('select 1 as n')).rows]).toEqual([
      [{ n: '<1>' }],
      [{ n: '<1>' }],
    ])
  })

  test('gives up a query after query_timeout', async () => {
    const pool = make({ query_timeout: 100 })
    await expect(pool.query('select pg_sleep(5)')).rejects.toThrow('Query read timeout')
  })
})
