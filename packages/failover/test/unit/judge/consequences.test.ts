import { describe, expect, it } from 'vitest'
import {
  between,
  denied,
  failed,
  primary,
  refused,
  replica,
  see,
  viewOf,
} from '../support/views.js'

describe('consequences', () => {
  it('break the connections to a node that dies or is fenced, once', () => {
    const alive = viewOf([
      ['a', primary(1)],
      ['b', replica()],
    ])
    const promoted = see(alive, [['b', primary(2)]])
    expect(between(alive, promoted)).toMatchObject([
      { kind: 'destroy', node: 'a' },
      { kind: 'fenced', node: 'a', timeline: 1, highest: 2 },
    ])
    expect(between(promoted, see(promoted, [['a', primary(1)]]))).toEqual([])
    const dead = see(alive, [['b', refused]])
    expect(between(alive, dead)).toMatchObject([{ kind: 'destroy', node: 'b' }])
    expect(between(dead, see(dead, [['b', refused]]))).toEqual([])
  })

  it('leave the connections of a promoted node alone', () => {
    const before = viewOf([
      ['a', refused],
      ['b', replica()],
    ])
    expect(between(before, see(before, [['b', primary(2)]]))).toEqual([])
  })

  it('make idle connections prove themselves after a demotion or a restart', () => {
    const before = viewOf([['a', primary()]])
    expect(between(before, see(before, [['a', replica()]]))).toMatchObject([
      { kind: 'suspect', node: 'a' },
    ])
    expect(between(before, see(before, [['a', primary(1, { startedAt: 'now' })]]))).toMatchObject([
      { kind: 'suspect', node: 'a', reason: 'the server was restarted' },
    ])
  })

  it('behind a pooler, leave the connections of a primary that is gone, and refuse those who wait for one', () => {
    const facts = { backendPid: 1, sessionPid: 2 }
    const before = viewOf([
      ['a', primary(1, facts)],
      ['b', replica()],
    ])
    const after = see(see(before, [['a', failed]]), [['a', failed]])
    const kinds = between(before, after).map(({ kind, ...rest }) => [
      kind,
      'node' in rest && rest.node,
    ])
    expect(kinds).toEqual([
      ['suspect', 'a'],
      ['refuse', 'a'],
    ])
    // A pooler that is gone itself is as any server.
    expect(between(before, see(before, [['a', refused]]))).toMatchObject([{ kind: 'destroy' }])
  })

  it('F22: replace the connections of a node whose name leads to another server now', () => {
    const before = viewOf([['a', replica({ address: '10.0.0.1:5432' })]])
    const moved = primary(1, { address: '10.0.0.2:5432', startedAt: 'another' })
    expect(between(before, see(before, [['a', moved]]))).toContainEqual({
      kind: 'replace',
      node: 'a',
    })
    // The same server at another of its addresses; or promoted in place.
    for (const changes of [{ address: '10.0.0.2:5432' }, { address: '10.0.0.1:5432' }]) {
      expect(between(before, see(before, [['a', primary(2, changes)]]))).toEqual([])
    }
  })

  it('leave a node that refuses a password alone', () => {
    const before = viewOf([['a', primary()]])
    expect(between(before, see(before, [['a', denied]])).map(({ kind }) => kind)).not.toContain(
      'destroy',
    )
  })
})
