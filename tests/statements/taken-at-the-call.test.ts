import type { ConnectionPool, QueryOptions } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { poolsOver } from '../support/servers/test-server.js'

const TEXT =
  'select $1::int[] as list, $2::timestamptz as at, $3::bytea as bytes, $4::jsonb as json'

/** Values that can be changed in place, what they are at first, and how to change all of them. */
function changeable() {
  const list = [1, [2, 3]].flat()
  const at = new Date('2026-01-02T03:04:05Z')
  const bytes = Buffer.from('before')
  const json = { deep: { word: 'before' } }
  const values: unknown[] = [list, at, bytes, json]
  return {
    values,
    before: {
      list: [1, 2, 3],
      at: new Date('2026-01-02T03:04:05Z'),
      bytes: Buffer.from('before'),
      json: { deep: { word: 'before' } },
    },
    change() {
      list[0] = 4
      at.setTime(0)
      bytes.write('after')
      json.deep.word = 'after'
      values.fill(null)
    },
  }
}

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  const openPool = poolsOver(make())
  const onePool = async (): Promise<ConnectionPool> => {
    const { primary } = await cluster()
    return openPool({ connection: primary.url, max: 1 })
  }

  it('T14: sends the values of the call, whatever becomes of them while it waits for a connection', async () => {
    const pool = await onePool()
    const lease = await pool.acquire()
    const { values, before, change } = changeable()
    const calls = [pool.query(TEXT, values), pool.query({ text: TEXT, values })]
    change()
    lease.release()
    for (const { rows } of await Promise.all(calls)) expect(rows).toEqual([before])
  })

  it('T14: sends the values of the call behind other statements of a lease and of a transaction', async () => {
    const pool = await onePool()
    const behind = async ({
      query,
    }: {
      query: (text: string, values?: unknown[]) => Promise<unknown>
    }): Promise<void> => {
      const { values, before, change } = changeable()
      const slow = query('select pg_sleep(0.02)')
      const call = query(TEXT, values)
      change()
      expect(await call).toMatchObject({ rows: [before] })
      await slow
    }
    await pool.use((lease) => behind({ query: (text, values) => lease.query(text, values) }))
    await pool.transaction((tx) => behind({ query: (text, values) => tx.query(text, values) }))
  })

  it('T14: streams with the values and the options of the call, however late it begins', async () => {
    const pool = await onePool()
    const { values, before, change } = changeable()
    const options = { batchSize: 2, signal: new AbortController().signal }
    const text = `${TEXT} from generate_series(1, 5)`
    const streams = [pool.stream(text, values, options), pool.stream({ text, values }, options)]
    change()
    options.batchSize = 0
    options.signal = AbortSignal.abort()
    for (const rows of streams) {
      let count = 0
      for await (const row of rows) {
        expect(row).toEqual(before)
        count++
      }
      expect(count).toBe(5)
    }
  })

  it('T14: runs the statement object of the call, whatever is written into it later', async () => {
    const pool = await onePool()
    const lease = await pool.acquire()
    const statement = {
      text: 'select $1::int as n',
      values: [1] as unknown[],
      name: 'of_the_call',
      rowMode: 'object' as 'object' | 'array',
    }
    const options: QueryOptions = { timeoutMs: 20_000 }
    const call = pool.query(statement, options)
    statement.text = 'select 2 as other'
    statement.values = [2, 3]
    statement.name = 'another'
    statement.rowMode = 'array'
    options.timeoutMs = 1
    options.signal = AbortSignal.abort()
    await new Promise((resolve) => setTimeout(resolve, 10))
    lease.release()
    expect((await call).rows).toEqual([{ n: 1 }])
    const { rows } = await pool.query('select name from pg_prepared_statements')
    expect(rows).toEqual([{ name: 'of_the_call' }])
  })

  it('T14: keeps the options of a transaction and of an acquire as they were at the call', async () => {
    const pool = await onePool()
    const lease = await pool.acquire()
    const options = { isolation: 'serializable', readOnly: true } as Parameters<
      ConnectionPool['transaction']
    >[1]
    const call = pool.transaction(
      async (tx) => (await tx.query('show transaction_isolation')).rows,
      options,
    )
    options!.isolation = 'read committed'
    options!.timeoutMs = 1
    options!.signal = AbortSignal.abort()
    lease.release()
    expect(await call).toEqual([{ transaction_isolation: 'serializable' }])
  })

  it('T14: runs the code of a value once, at the call, and its error fails that call alone', async () => {
    const pool = await onePool()
    const lease = await pool.acquire()
    const ran: string[] = []
    const noting = (name: string): object => ({
      toPostgres: () => {
        ran.push(name)
        return name
      },
    })
    const json = {
      toJSON: () => {
        ran.push('json')
        return { a: 1 }
      },
    }
    const text = 'select $1::text as a, $2::jsonb as b'
    const good = pool.query(text, [noting('good'), json])
    const failing = {
      toPostgres: () => {
        throw new Error('no such luck')
      },
    }
    const bad = pool.query('select $1::text', [failing])
    expect(ran).toEqual(['good', 'json'])
    const error = await failureOf<TypeError>(bad)
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toBe('values[0] cannot be sent to PostgreSQL: no such luck')
    const late = failureOf<TypeError>(lease.query('select $1::text', [failing]))
    expect(await late).toBeInstanceOf(TypeError)
    lease.release()
    expect((await good).rows).toEqual([{ a: 'good', b: { a: 1 } }])
    expect(ran).toEqual(['good', 'json'])
    expect(pool.stats().counters).toMatchObject({ destroyed: 0, created: 1 })
  })

  it('T14: keeps what results share from being changed, and leaves the rows to the caller', async () => {
    const pool = await onePool()
    const text = 'select $1::int as n, now() as at'
    for (let use = 0; use < 5; use++) {
      const { rows, fields } = await pool.query<{ n: unknown; more: unknown }>(text, [use])
      expect(fields.map(({ name }) => name)).toEqual(['n', 'at'])
      expect(rows[0]!.n).toBe(use)
      expect(() => Object.assign(fields[0]!, { name: 'x' })).toThrow(TypeError)
      expect(() => fields.push(fields[0]!)).toThrow(TypeError)
      rows[0]!.n = 'mine'
      rows[0]!.more = true
      rows.push(rows[0]!)
    }
  })

  it('T14: keeps what it knows of a session and of itself from being changed', async () => {
    const pool = await onePool()
    await pool.use(async (lease) => {
      const { info } = lease
      const version = info.parameters.get('server_version')
      const map = info.parameters as Map<string, string>
      expect(() => map.set('server_version', 'mine')).toThrow(TypeError)
      expect(() => map.delete('server_version')).toThrow(TypeError)
      expect(() => map.clear()).toThrow(TypeError)
      expect(() => Object.assign(info, { backendPid: 1 })).toThrow(TypeError)
      expect(lease.info.parameters.get('server_version')).toBe(version)
      await lease.query("set application_name to 'renamed'")
      expect(lease.info.parameters.get('application_name')).toBe('renamed')
      expect(() => (lease.info.parameters as Map<string, string>).clear()).toThrow(TypeError)
    })
    for (const told of [pool.stats(), pool.stats().counters, pool.inspect(), pool.endpoint]) {
      expect(Object.isFrozen(told)).toBe(true)
    }
  })
})
