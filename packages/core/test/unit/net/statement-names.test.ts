import { describe, expect, it } from 'vitest'
import type { ServerError } from '../../../src/net/server-error.js'
import { hasFixedShape, refusalOfName, saysStale } from '../../../src/net/statement-names.js'

describe('a prepared statement', () => {
  it('returns the same columns each time if the server would refuse it otherwise', () => {
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

  it('is lost when the server says so, and by no other error', () => {
    const stale = [
      ['26000', 'FetchPreparedStatement'],
      ['42P05', 'StorePreparedStatement'],
      ['0A000', 'RevalidateCachedQuery'],
    ]
    for (const [code, routine] of stale) {
      expect(saysStale({ code, routine } as ServerError)).toBe(true)
      expect(saysStale({ code, routine: 'elsewhere' } as ServerError)).toBe(false)
      expect(saysStale({ code: '22012', routine } as ServerError)).toBe(false)
    }
  })
})

describe('the name of a statement', () => {
  it('always stands for one text', () => {
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
