import type { ServerError } from '@poolhouse/core/net'
import { describe, expect, it } from 'vitest'
import { NamedStatements } from '../../src/named-statements.js'
import { RowShape } from '../../src/row-shape.js'

const SELECT = 'select 1'

describe('a name', () => {
  it('is used on the server for statements whose columns are fixed when they are prepared', () => {
    const names = new NamedStatements()
    expect(names.nameFor('n', SELECT)).toBe('n')
    expect(names.nameFor('n', 'fetch 1 from c')).toBe('')
  })

  it('always stands for one text, also when the server does not hold the statement', () => {
    const names = new NamedStatements()
    names.learn('constructor', SELECT, RowShape.none)
    names.learn('fetch', 'fetch 1 from c')
    expect(names.nameFor('constructor', SELECT)).toBe('constructor')
    expect(() => names.nameFor('constructor', 'select 2')).toThrow(
      'statement name "constructor" was used for another text on this connection; one name must always carry the same text',
    )
    expect(() => names.nameFor('fetch', SELECT)).toThrow(TypeError)
    expect(names.nameFor('toString', 'select 3')).toBe('toString')
  })
})

describe('a statement that is given up', () => {
  it('is closed on the server, once, if the server holds it', () => {
    const names = new NamedStatements()
    names.learn('held', SELECT, RowShape.none)
    names.learn('made each time', 'fetch 1 from c')
    names.drop('held')
    names.drop('made each time')
    names.drop('never seen')
    expect(names.hasClosing).toBe(true)
    expect(names.takeClosing()).toEqual(['held'])
    expect(names.takeClosing()).toEqual([])
    expect(names.shapeOf('held')).toBeUndefined()
  })

  it('is given up when the server says that it has lost it, and for no other error', () => {
    const names = new NamedStatements()
    names.learn('held', SELECT, RowShape.none)
    const lost = { code: '26000', routine: 'FetchPreparedStatement' } as ServerError
    expect(names.forgetIfStale('held', { ...lost, code: '22012' })).toBe(false)
    expect(names.shapeOf('held')).toBe(RowShape.none)
    expect(names.forgetIfStale('held', lost)).toBe(true)
    expect(names.shapeOf('held')).toBeUndefined()
    expect(names.takeClosing()).toEqual(['held'])
  })
})
