import type { ConnectionPool, PoolhouseError } from '@poolhouse/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { failureOf } from '../support/failure-of.js'
import { PID, poolsOver } from '../support/servers/test-server.js'

const LIMIT = 1_000_000

/** Has V8 refuse texts of a megabyte as it refuses those of half a gigabyte. */
function shortStrings(): void {
  const original = Buffer.prototype.toString
  const refusing = function (
    this: Buffer,
    encoding?: BufferEncoding,
    start = 0,
    end = this.length,
  ): string {
    if (end - start > LIMIT) {
      const message = 'Cannot create a string longer than 0x1fffffe8 characters'
      throw Object.assign(new Error(message), { code: 'ERR_STRING_TOO_LONG' })
    }
    return original.call(this, encoding, start, end)
  }
  vi.spyOn(Buffer.prototype, 'toString').mockImplementation(refusing as never)
}

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  const openPool = poolsOver(make())
  afterEach(() => {
    vi.restoreAllMocks()
  })

  async function poolWithTable(): Promise<ConnectionPool> {
    const { primary } = await cluster()
    const pool = openPool({ connection: primary.url, max: 1 })
    await pool.query('drop table if exists long_texts')
    await pool.query('create table long_texts (id int primary key, body text)')
    shortStrings()
    return pool
  }

  const unreadable = { name: 'PoolhouseError', executed: 'yes', retryable: false }
  const INSERT = `insert into long_texts values ($1, repeat('é', ${LIMIT})) returning body, 'Z', 'more'`

  it('T12: a value that is too long for a string fails its statement alone, which has been executed', async () => {
    const pool = await poolWithTable()
    const { rows } = await pool.query(PID)
    const texts = [INSERT, INSERT.replace('$1', '2'), `${INSERT.replace('$1', '3')};`]
    for (const [index, text] of texts.entries()) {
      const error = await failureOf(pool.query(text, index === 0 ? [1] : undefined))
      expect(error).toMatchObject(unreadable)
      expect(error.message).toMatch(/a row of the result cannot be read: Cannot create a string/)
    }
    expect((await pool.query(PID)).rows).toEqual(rows)
    const { rows: found } = await pool.query('select id, length(body) from long_texts order by id')
    expect(found).toEqual([1, 2, 3].map((id) => ({ id, length: LIMIT })))
    expect(pool.stats().counters).toMatchObject({ created: 1, destroyed: 0 })
  })

  it('T12: inside a transaction the transaction goes on', async () => {
    const pool = await poolWithTable()
    let error: PoolhouseError | undefined
    await pool.transaction(async (tx) => {
      error = await failureOf(tx.query(INSERT, [1]))
      await tx.query('insert into long_texts values (2)')
    })
    expect(error).toMatchObject(unreadable)
    const { rows } = await pool.query('select count(*)::int as n from long_texts')
    expect(rows).toEqual([{ n: 2 }])
  })

  it('T12: a stream fails at it and leaves the session as good as before', async () => {
    const pool = await poolWithTable()
    const { rows } = await pool.query(PID)
    const long = `select repeat('x', n * 500000) from generate_series(1, 9) n`
    const read = async (): Promise<number> => {
      let seen = 0
      for await (const _row of pool.stream(long, [], { batchSize: 1 })) seen++
      return seen
    }
    expect(await failureOf(read())).toMatchObject({ name: 'PoolhouseError', executed: 'yes' })
    expect((await pool.query(PID)).rows).toEqual(rows)
  })

  it('T12: a copy gives and takes data of any length', async () => {
    const pool = await poolWithTable()
    await pool.copyFrom('copy long_texts from stdin', [`1\t${'y'.repeat(3 * LIMIT)}\n`])
    let bytes = 0
    for await (const piece of pool.copyTo('copy long_texts to stdout')) bytes += piece.length
    expect(bytes).toBe(3 * LIMIT + 3)
  })
})
