import { describe, expect, it } from 'vitest'
import type { ServerError } from '../../../../src/net/frames/server-error.js'
import {
  hasFixedShape,
  mayBeStale,
  refusalOfName,
} from '../../../../src/net/statements/statement-names.js'

describe('a prepared statement', () => {
  it('must return the same columns each time if the server would refuse a change', () => {
    const fixed = [
      'select 1',
      ' \n SELECT 1',
      '(values (1))',
      'with a as (select 1) select * from a',
      'table t',
      '-- name: find\nselect 1',
      '/* a * b / c **/ -- d\n ( select 1)',
      'insert into t values (1)',
    ]
    const others = [
      'fetch 1 from c',
      'execute p',
      'call p($1)',
      'selection',
      '-- select 1',
      '/* select 1',
      '/* /* */ select */ fetch 1 from c',
    ]
    expect(fixed.filter((text) => !hasFixedShape(text))).toEqual([])
    expect(others.filter(hasFixedShape)).toEqual([])
  })

  it('may be out of date after any error except those about the transaction, resources or an operator', () => {
    const stale = ['26000', '0A000', 'XX000', '22003', '22P02', '42883', '42P01', '42804']
    const others = ['25P02', '57014', '57P01', '55P03', '40001', '40P01', '53200', '08006', '58030']
    const says = (code: string): boolean => mayBeStale({ code } as ServerError)
    expect(stale.filter((code) => !says(code))).toEqual([])
    expect(others.filter(says)).toEqual([])
  })
})

describe('the name of a statement', () => {
  it('always stands for the same text', () => {
    expect(refusalOfName('n', 'select 1', undefined)).toBeUndefined()
    expect(refusalOfName('n', 'select 1', 'select 1')).toBeUndefined()
    const refusal = refusalOfName('n', 'select 2', 'select 1')
    expect(refusal).toBeInstanceOf(TypeError)
    expect(refusal?.message).toBe(
      'statement name "n" was used for another text on this connection; one name must always carry the same text',
    )
  })

  it('is no longer than PostgreSQL takes it, in bytes', () => {
    expect(refusalOfName('n'.repeat(63), 'select 1', undefined)).toBeUndefined()
    expect(refusalOfName('é'.repeat(32), 'select 1', undefined)?.message).toContain(
      'longer than 63 bytes',
    )
  })
})
