import { AcquireTimeoutError, ConnectError, DatabaseError, isPoolhouseError } from '@poolhouse/core'
import { isSeveral } from '@poolhouse/core/sql'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import type { PgLibrary } from '../../../src/compat/pg-library.js'
import { toPgError } from '../../../src/compat/statement/pg-error.js'
import { ResultReader } from '../../../src/compat/statement/pg-result.js'
import { pgValues } from '../../../src/compat/statement/pg-values.js'
import { isSubmittable, readQuery } from '../../../src/compat/statement/read-query.js'

const library = pg as unknown as PgLibrary

describe('the arguments of query', () => {
  test.each([
    ['text', ['select 1'], { text: 'select 1' }],
    ['text and values', ['select $1', [1]], { text: 'select $1', values: [1] }],
    ['a config', [{ text: 'a', values: [1], name: 'n' }], { text: 'a', values: [1], name: 'n' }],
    ['a config and values', [{ text: 'a', values: [1] }, [2]], { text: 'a', values: [2] }],
    ['no values', [{ text: 'a', values: null }, null], { text: 'a' }],
  ])('are read in every form: %s', (_, [first, second], statement) => {
    expect(readQuery(first, second)).toMatchObject({
      statement: { ...statement, undecoded: true },
      asArray: false,
      callback: undefined,
      needsClient: false,
    })
  })

  test('have a callback in any of three places', () => {
    const callback = (): void => {}
    for (const args of [
      ['a', callback],
      ['a', [1], callback],
      [{ text: 'a', callback }],
    ] as const) {
      expect(readQuery(args[0], args[1], args[2]).callback).toBe(callback)
    }
  })

  test('are refused in words of pg', () => {
    expect(() => readQuery(null)).toThrow('Client was passed a null or undefined query')
    expect(() => readQuery({})).toThrow('A query must have either text or a name')
    expect(() => readQuery('a', { a: 1 })).toThrow('Query values must be an array')
  })

  test.each([
    { text: 'select 1; select 2' },
    { text: 'a', binary: true },
    { text: 'a', rows: 5 },
    { text: 'a', portal: 'p' },
    { text: 'a', queryMode: 'extended' },
    { name: 'known' },
  ])('need a client of their own where only a query of pg can do it: %o', (config) => {
    expect(readQuery(config).needsClient).toBe(true)
  })

  test('are several statements only with something behind a semicolon', () => {
    expect(['a', 'a;', 'a; \n', 'a; b'].map(isSeveral)).toEqual([false, false, false, true])
    expect([{ submit() {} }, { text: 'a' }, 'a', null].map(isSubmittable)).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  test('have values as pg writes them, and are not copied without need', () => {
    const plain = ['a', 1, true, null]
    expect(pgValues(library, plain)).toBe(plain)
    const bytes = Buffer.from('x')
    expect(pgValues(library, [undefined, 7n, { a: 1 }, [1, null], bytes])).toEqual([
      null,
      '7',
      '{"a":1}',
      '{"1",NULL}',
      bytes,
    ])
  })
})

describe('a result', () => {
  const field = (name: string, dataTypeID: number) =>
    ({ name, dataTypeID, format: 'text' }) as never
  const fields = Object.freeze([field('n', 20), field('t', 25)]) as never[]
  const answer = () => ({
    rows: [['1', null] as (string | null)[]],
    rowCount: 1,
    command: 'SELECT',
    fields,
    node: 'a',
  })

  test('is read with the parsers that are set at that moment, or with those of the query', () => {
    const types = new pg.TypeOverrides()
    const reader = new ResultReader({ ...library, types } as unknown as PgLibrary)
    expect(reader.read(answer()).rows).toEqual([{ n: '1', t: null }])
    types.setTypeParser(20, (text: string) => BigInt(text))
    expect(reader.read(answer()).rows).toEqual([{ n: 1n, t: null }])
    const own = { getTypeParser: () => (text: string) => `<${text}>` } as never
    expect(reader.read(answer(), true, own).rows).toEqual([['<1>', null]])
    expect(reader.read(answer()).rows).toEqual([{ n: 1n, t: null }])
  })

  test('is a pg.Result that knows its node, which does not show beside its other properties', () => {
    const result = new ResultReader(library).read(answer())
    expect(result).toBeInstanceOf(pg.Result)
    expect((result as { node?: string }).node).toBe('a')
    expect(Object.keys(result)).toEqual(Object.keys(new pg.Result('', pg.types)))
  })

  test('throws what a parser throws', () => {
    const types = new pg.TypeOverrides()
    types.setTypeParser(20, () => {
      throw new Error('mine')
    })
    const reader = new ResultReader({ ...library, types } as unknown as PgLibrary)
    expect(() => reader.read(answer())).toThrow('mine')
  })
})

describe('an error', () => {
  const said = (): Error => Object.assign(new pg.DatabaseError('no', 2, 'error'), { code: '42P01' })

  test('of the server is that of pg, branded, and each caller has one of its own', () => {
    const cause = said()
    const ours = new DatabaseError('no', { code: '42P01', severity: 'ERROR' }, cause)
    const errors = [toPgError(library, ours), toPgError(library, ours)] as Error[]
    for (const error of errors) {
      expect(error).toBeInstanceOf(pg.DatabaseError)
      expect(error).not.toBe(cause)
      expect(isPoolhouseError(error, '42P01')).toBe(true)
      expect(error).toMatchObject({ name: 'error', executed: 'rolled-back', retryable: false })
    }
    expect(errors[0]).not.toBe(errors[1])
  })

  test('of the server that comes without that of pg is made one', () => {
    const fields = { code: '23505', severity: 'ERROR', constraint: 'k', position: 7 }
    const error = toPgError(library, new DatabaseError('twice', fields))
    expect(error).toBeInstanceOf(pg.DatabaseError)
    expect(error).toMatchObject({ message: 'twice', code: '23505', constraint: 'k', position: '7' })
  })

  test('of the network is that of Node.js', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', syscall: 'connect' })
    const error = toPgError(library, new ConnectError('cannot connect', { endpoint: 'e', cause }))
    expect(error).toMatchObject({ message: 'refused', code: 'ECONNREFUSED', executed: 'no' })
    expect(isPoolhouseError(error)).toBe(true)
  })

  test('that pg has words for has these, and ours as its cause', () => {
    const gauges = { pool: 'p', endpoint: 'e', total: 1, idle: 0, leased: 1, connecting: 0 }
    const ours = new AcquireTimeoutError(5, { ...gauges, pending: 1, max: 1 })
    const error = toPgError(library, ours)
    expect(error).toMatchObject({
      message: 'timeout exceeded when trying to connect',
      cause: ours,
      executed: 'no',
      retryable: true,
    })
    expect(error).toBeInstanceOf(AcquireTimeoutError)
  })

  test('that is no error of ours comes back as it is', () => {
    for (const error of [new Error('mine'), 'mine', undefined]) {
      expect(toPgError(library, error)).toBe(error)
    }
  })
})
