import { expect, test } from 'vitest'
import { DatabaseError } from '../../../src/index.js'
import { harness, watch } from '../../harness.js'

const connection = (parameters: Record<string, string | number | boolean>) => ({
  host: 'localhost',
  user: 'me',
  database: 'app',
  parameters,
})

test('T71: parameters are asked for in one piece with who answers, once for each connection', async () => {
  const asked: string[] = []
  const { clock, driver, pool } = harness(
    { connection: connection({ search_path: 'acme', lock_timeout: '1min' }) },
    {
      startUp: (name, text) => {
        asked.push(`${name} ${text.match(/pg_backend_pid/g)?.length}`)
        return undefined
      },
    },
  )
  const leases = [watch(pool.acquire()), watch(pool.acquire())]
  await clock.settle()
  expect(leases.map(({ state }) => state)).toEqual(['resolved', 'resolved'])
  expect(asked).toEqual(['search_path 1', 'lock_timeout 1', 'search_path 1', 'lock_timeout 1'])
  expect([...driver.open].map(({ statements }) => statements)).toEqual([[], []])
})

test("T71: they are asked for with pooler 'none' too, and nothing is asked where there are none", async () => {
  for (const [parameters, times] of [
    [{ search_path: 'acme' }, 1],
    [{ application_name: 'mine' }, 0],
    [{}, 0],
  ] as const) {
    let asked = 0
    const { clock, pool } = harness(
      { connection: connection(parameters), pooler: 'none' },
      {
        startUp: () => {
          asked++
          return undefined
        },
      },
    )
    watch(pool.query('select 1'))
    await clock.settle()
    expect(asked).toBe(times)
  }
})

test('T71: a session that lacks one is closed, and the error names it, its values and the pooler', async () => {
  const { clock, driver, pool } = harness(
    { connection: connection({ search_path: 'acme', lock_timeout: 5 }) },
    { startUp: (name) => (name === 'search_path' ? { found: 'public', same: 0 } : undefined) },
  )
  const asked = watch(pool.query('select 1'))
  await clock.settle()
  expect(asked.error).toMatchObject({ name: 'ConnectError', fatal: true, executed: 'no' })
  expect(asked.error!.message).toMatch(
    /parameters\.search_path was asked for as "acme", and the session has "public"; .*ignore_startup_parameters.*pooler: 'pgbouncer'/,
  )
  expect(asked.error!.message).not.toContain('lock_timeout')
  expect(driver.open.size).toBe(0)
})

test('T71: one that a reset of the session would take away is refused, but not where nothing is reset', async () => {
  const startUp = () => ({ setLater: 1 as const })
  const parameters = { search_path: 'acme' }
  const direct = harness({ connection: connection(parameters) }, { startUp })
  const refused = watch(direct.pool.query('select 1'))
  await direct.clock.settle()
  expect(refused.error!.message).toContain('a reset would take it away')
  const pooled = harness(
    { connection: connection(parameters) },
    { startUp, answeringPid: () => 4711 },
  )
  const served = watch(pooled.pool.query('select 1'))
  await pooled.clock.settle()
  expect(served.state).toBe('resolved')
})

test('T71: values of parameters that are an application’s own, or look like a secret, are not shown', async () => {
  for (const [name, value, found] of [
    ['app.token', 'secret 4711', 'secret 0815'],
    ['unknown', 'secret 4711', null],
    ['search_path', 'postgres://me:4711@host', 'postgres://me:0815@host'],
  ] as const) {
    const { clock, pool } = harness(
      { connection: connection({ [name]: value }) },
      { startUp: () => ({ found, same: 0 }) },
    )
    const asked = watch(pool.query('select 1'))
    await clock.settle()
    expect(asked.error!.message).toContain(`connection.parameters.${name}`)
    expect(asked.error!.message).not.toMatch(/4711|0815/)
  }
})

test('T71: a server that refuses to set is asked again without setting; if it refuses that too, the session is not used', async () => {
  const refusal = new DatabaseError('cannot be changed', { code: '55P02', severity: 'ERROR' })
  for (const times of [1, 2]) {
    const texts: string[] = []
    let asked = 0
    const { clock, pool } = harness(
      { connection: connection({ log_connections: 'true' }) },
      {
        answeringPid: ({ info }) => (asked++ < times ? refusal : info.backendPid),
        startUp: (_, text) => {
          texts.push(text)
          return undefined
        },
      },
    )
    const answered = watch(pool.query('select 1'))
    await clock.settle()
    expect(texts.map((text) => text.includes('set_config'))).toEqual([true, false])
    if (times === 1) expect(answered.state).toBe('resolved')
    else expect(pool.stats().total).toBe(0)
    watch(pool.close())
    await clock.settle()
  }
})

// Words of the grammar, which no `search_path` has a function for.
const GRAMMAR = new Set(['OPERATOR(', 'bit(', 'extract(', 'greatest('])

test('T71: constants of the question hold whatever is in a value, and everything in it is qualified', async () => {
  const texts: string[] = []
  const { clock, pool } = harness(
    { connection: connection({ 'a.b': "it's \\ '' -- /*" }) },
    {
      startUp: (_, text) => {
        texts.push(text)
        return undefined
      },
    },
  )
  watch(pool.query('select 1'))
  await clock.settle()
  expect(texts[0]).toContain(`E'it''s \\\\ '''' -- /*'`)
  const bare = texts[0]!.replaceAll(/E'(?:[^']|'')*'/g, '').matchAll(/(\w+\.)?\b\w+\(/g)
  for (const [call, schema] of bare) if (!GRAMMAR.has(call)) expect(schema).toBe('pg_catalog.')
})
