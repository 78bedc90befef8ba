import { describe, expect, it } from 'vitest'
import { StatementRules } from '../../../../src/api/statement-rules.js'
import { systemClock } from '../../../../src/base/clock.js'
import type { ServerError } from '../../../../src/net/frames/server-error.js'
import {
  type ClientNames,
  SessionStatements,
} from '../../../../src/net/statements/session-statements.js'
import { automaticName } from '../../../../src/net/statements/statement-facts.js'

const READ = 'select n from t where n = $1'
const NAME = automaticName(READ)
const error = (code: string): ServerError => Object.assign(new Error(code), { code })

function harness(rules?: StatementRules, client?: ClientNames) {
  let time = 5_000
  const clock = { ...systemClock, now: () => time }
  const shared = rules ?? new StatementRules({ after: 1, max: 10, maxAgeMs: 1_000 }, clock)
  const session = new SessionStatements(shared)
  if (client !== undefined) session.beside(client)
  /**
   * What would be sent for a statement: its name, with `+` if it is parsed, and the names closed
   * before.
   */
  const send = (text = READ, name?: string, values: string[] | undefined = ['1']): string[] => {
    const statement = session.choose({ text, name }, values)
    if (statement === undefined) return ['unnamed']
    if (statement.state === 'known') return [statement.name]
    session.parse(statement)
    const closed = session.takeClosing()
    session.parsed(statement)
    return [...closed.map((each) => `-${each}`), `+${statement.name}`]
  }
  const end = (status: 'idle' | 'active' = 'idle'): void => session.ready(status)
  const advance = (ms: number): void => {
    time += ms
  }
  return { advance, shared, session, send, end }
}

describe('the statements of a session', () => {
  it('T02: are closed and parsed again at their maximal age since Parse, however often they are used', () => {
    const { advance, send } = harness()
    expect(send()).toEqual([`+${NAME}`])
    advance(999)
    expect(send()).toEqual([NAME])
    advance(1)
    expect(send()).toEqual([`-${NAME}`, `+${NAME}`])
    expect(send()).toEqual([NAME])
  })

  it('T02: do not expire under a name that the caller gave', () => {
    const { advance, send } = harness()
    expect(send('update t set n = $1', 'mine')).toEqual(['+mine'])
    advance(1_000_000)
    expect(send('update t set n = $1', 'mine')).toEqual(['mine'])
  })

  it('T02: are parsed again in every session after a change that one session made, and again when its transaction is over', () => {
    const one = harness()
    const other = harness(one.shared)
    const both = (): string[][] => [one.send(), other.send()]
    both()
    one.session.completed('ALTER TABLE', false, true)
    expect(both()).toEqual([
      [`-${NAME}`, `+${NAME}`],
      [`-${NAME}`, `+${NAME}`],
    ])
    one.end('active')
    expect(both()).toEqual([[NAME], [NAME]])
    one.end()
    expect(both().flat()).toContain(`+${NAME}`)
    expect(both()).toEqual([[NAME], [NAME]])
    one.end()
    expect(both()).toEqual([[NAME], [NAME]])
  })

  it.each([
    'CREATE TABLE',
    'DROP TYPE',
    'GRANT',
    'DO',
    'CALL',
    'IMPORT FOREIGN SCHEMA',
    'COMMIT PREPARED',
  ])('T02: are parsed again after %s', (tag) => {
    const { session, send } = harness()
    send()
    session.completed(tag, false, true)
    expect(send()).toContain(`+${NAME}`)
  })

  it.each([
    'SELECT 1',
    'INSERT 0 1',
    'UPDATE 1',
    'DELETE 1',
    'DECLARE CURSOR',
    'COPY 5',
    'TRUNCATE TABLE',
    'COMMIT',
    'ROLLBACK',
    'SET',
  ])('are kept after %s', (tag) => {
    const { session, send } = harness()
    send()
    session.completed(tag, true, true)
    expect(send()).toEqual([NAME])
  })

  it('T02: are parsed again after a SELECT without columns, which is a SELECT INTO', () => {
    const { session, send } = harness()
    send()
    session.completed('SELECT 1', false, true)
    expect(send()).toContain(`+${NAME}`)
  })

  it('T02: are forgotten after an error before Bind, unless it is about the transaction or a cancel', () => {
    const { session, send } = harness()
    send()
    const statement = session.choose({ text: READ }, ['1'])!
    for (const code of ['57014', '25P02', '55P03', '40P01']) {
      expect(session.refused(statement, true, error(code))).toBe(false)
      expect(send()).toEqual([NAME])
    }
    expect(session.refused(statement, true, error('22003'))).toBe(true)
    expect(send()).toEqual([`-${NAME}`, `+${NAME}`])
  })

  it('T02: are not sent again inside a transaction, nor after a cancel request', () => {
    const { session, end } = harness()
    end()
    expect(session.mayRepeat).toBe(true)
    end('active')
    expect(session.mayRepeat).toBe(false)
    session.cancelAsked()
    end()
    expect(session.mayRepeat).toBe(false)
    end()
    expect(session.mayRepeat).toBe(true)
  })

  it('T01: stop using names once one of ours is taken by another client, or has vanished for no known reason', () => {
    const taken = harness()
    const statement = taken.session.choose({ text: READ }, ['1'])!
    taken.session.parse(statement)
    expect(taken.session.refused(statement, false, error('42P05'))).toBe(true)
    expect(taken.send()).toEqual(['unnamed'])
    expect(taken.send('select 1', 'mine')).toEqual(['unnamed'])

    const gone = harness()
    gone.send()
    const lost = gone.session.choose({ text: READ }, ['1'])!
    expect(gone.session.refused(lost, true, error('26000'))).toBe(true)
    expect(gone.send()).toEqual(['unnamed'])
    gone.session.wasReset(new Map())
    expect(gone.send()).toEqual(['unnamed'])
  })

  it('T22: fail with an error if the name that the caller gave is taken', () => {
    const { session, send } = harness()
    const statement = session.choose({ text: READ, name: 'mine' }, ['1'])!
    session.parse(statement)
    expect(session.refused(statement, false, error('42P05'))).toBe(false)
    expect(send()).toEqual([`+${NAME}`])
  })

  it('T11: are all parsed again after DEALLOCATE and DISCARD ALL, and the client forgets its own', () => {
    const forgotten: (string | undefined)[] = []
    const client = {
      textOf: () => undefined,
      prepared: () => undefined,
      forget: (name?: string) => forgotten.push(name),
    }
    const { session, send } = harness(undefined, client)
    for (const tag of ['DEALLOCATE', 'DEALLOCATE ALL', 'DISCARD ALL']) {
      send()
      send('select 1', 'mine')
      session.completed(tag, false, true)
      expect(send()).toContain(`+${NAME}`)
      expect(send('select 1', 'mine')).toContain('+mine')
    }
    expect(forgotten).toEqual([undefined, undefined, undefined])
  })

  it.each([
    ['set local search_path = a', undefined],
    ['set local role a', undefined],
    ["set local timezone = 'UTC'", undefined],
    ["select set_config('search_path', $1, true)", ['a']],
    ['select set_config($1, $2, true)', ['ROLE', 'a']],
    ['select set_config($1, $2, true)', [undefined as unknown as string]],
  ])('T03: run without a name after %s, until the transaction is over', (text, values) => {
    const { send, end } = harness()
    send()
    send(text, undefined, values)
    expect(send()).toEqual(['unnamed'])
    expect(send('select 1', 'mine')).toEqual(['unnamed'])
    end('active')
    expect(send()).toEqual(['unnamed'])
    end()
    expect(send()).toEqual([NAME])
  })

  it.each(['set search_path = a', 'set role a', 'execute mine', 'create temp table t ()'])(
    'T03: run without a name after %s, until the session is reset',
    (text) => {
      const { session, send, end } = harness()
      send()
      send(text, undefined, undefined)
      end()
      expect(send()).toEqual(['unnamed'])
      session.wasReset(new Map())
      expect(send()).toEqual([NAME])
    },
  )

  it.each(['call p()', 'do $$ begin end $$', 'select 1; do $$ begin end $$'])(
    'T02: run without a name after %s, and are parsed again when the session is reset',
    (text) => {
      const { session, shared, send, end } = harness()
      send()
      send(text, undefined, undefined)
      // No tag has come: it failed, and may have committed before.
      end()
      expect(shared.epoch).toBe(1)
      expect(send()).toEqual(['unnamed'])
      session.wasReset(new Map())
      expect(send()).toEqual([`-${NAME}`, `+${NAME}`])
    },
  )

  it.each([
    ["set local statement_timeout = '5s'", undefined],
    ["set local app.tenant = 'a'", undefined],
    ['set transaction read only', undefined],
    ['select set_config($1, $2, true), set_config($3, $4, true)', ['app.a', 'x', 'app.b', 'y']],
    ["select pg_catalog.set_config('app.a', $1, true) as a", ['x']],
  ])('T03: keep their names after %s', (text, values) => {
    const { send } = harness()
    send()
    send(text, undefined, values)
    expect(send()).toEqual([NAME])
  })

  it('T03: run without a name while the server reports another search path, role or time zone than at the log-in', () => {
    const { session, send } = harness()
    session.born(
      new Map([
        ['search_path', 'a'],
        ['TimeZone', 'UTC'],
        ['work_mem', '4MB'],
      ]),
    )
    send()
    session.parameter('search_path', 'b')
    session.parameter('work_mem', '8MB')
    expect(send()).toEqual(['unnamed'])
    session.parameter('search_path', 'a')
    expect(send()).toEqual([NAME])
    session.parameter('TimeZone', 'Asia/Tokyo')
    expect(send()).toEqual(['unnamed'])
    // The server gives it to every session from now on.
    session.wasReset(
      new Map([
        ['search_path', 'a'],
        ['TimeZone', 'Asia/Tokyo'],
      ]),
    )
    expect(send()).toEqual([`-${NAME}`, `+${NAME}`])
  })

  it('T03: run without a name while a backslash escapes in plain strings', () => {
    const { session, send } = harness()
    session.born(new Map([['standard_conforming_strings', 'off']]))
    expect(send()).toEqual(['unnamed'])
  })

  it('are forgotten by the reset of a session in which definitions were changed, such as those of temporary tables', () => {
    const { session, send, end } = harness()
    session.completed('CREATE TABLE', false, true)
    end()
    send()
    session.wasReset(new Map())
    expect(send()).toEqual([`-${NAME}`, `+${NAME}`])
    session.wasReset(new Map())
    expect(send()).toEqual([NAME])
  })

  it('T03: use names again after a reset that is sent in front of the next statement', () => {
    const { session, send, end } = harness()
    session.born(new Map([['TimeZone', 'UTC']]))
    send()
    send('set search_path = a', undefined, undefined)
    session.parameter('TimeZone', 'Asia/Tokyo')
    session.resetAhead()
    // The server has yet to report that it is back.
    expect(send()).toEqual(['unnamed'])
    session.parameter('TimeZone', 'UTC')
    end()
    expect(send()).toEqual([`-${NAME}`, `+${NAME}`])
    send('create temp table t ()', undefined, undefined)
    session.completed('CREATE TABLE', false, true)
    session.resetAhead()
    expect(send()).toContain(`+${NAME}`)
  })

  it('T10: that were parsed after a possible function call are not used after the next reset', () => {
    const { session, send } = harness()
    const first = send()
    expect(first).toEqual([`+${NAME}`])
    // Nothing had run before it.
    session.resetAhead()
    expect(send()).toEqual([NAME])
    session.resetAhead()
    expect(send('begin', undefined, undefined)).toEqual(['unnamed'])
    send(`select set_config('app.tenant', $1, true)`)
    const other = 'select m from t where n = $1'
    expect(send(other)).toEqual([`+${automaticName(other)}`])
    session.resetAhead()
    expect(send(other)).toEqual([automaticName(other)])
    expect(send('select enter($1)', 'enter')).toEqual(['+enter'])
    session.resetAhead()
    expect(send('select enter($1)', 'enter')).toEqual(['-enter', '+enter'])
    session.resetAhead()
    expect(send('select enter($1)', 'enter')).toEqual(['enter'])
  })

  it('T02: are parsed again after a COMMIT of definitions, even if another transaction follows or the session ends', () => {
    const { session, shared, end } = harness()
    const changes = (): number => shared.epoch
    session.completed('COMMIT', false, true)
    expect(changes()).toBe(0)
    session.completed('ALTER SCHEMA', false, true)
    end('active')
    expect(changes()).toBe(1)
    session.completed('COMMIT', false, true)
    end('active')
    expect(changes()).toBe(2)
    session.over()
    expect(changes()).toBe(3)
  })

  it('T03: run without a name, even one that the caller gave, if the owner of the client may have changed what texts mean', () => {
    const { session, send, end } = harness()
    session.rawTaken()
    session.rawSends('select n from t')
    expect(send('select 1', 'mine')).toEqual(['+mine'])
    session.rawSends(`select set_config('search_path', $1, true)`)
    end()
    expect(send('select 1', 'mine')).toEqual(['unnamed'])
    session.wasReset(new Map())
    expect(send('select 1', 'mine')).toEqual(['mine'])
    // The client has prepared it by now, and does not send its text again.
    session.rawTaken()
    expect(send('select 1', 'mine')).toEqual(['unnamed'])
  })

  it('T02: are parsed again after a failed statement of the client’s owner, because it may have committed', () => {
    const { session, shared, end } = harness()
    session.rawTaken()
    session.rawFailed()
    expect(shared.epoch).toBe(0)
    end()
    expect(shared.epoch).toBe(1)
  })

  it('are not affected by the statements of our own reset', () => {
    const { session, send } = harness()
    send()
    session.resetting(true)
    session.completed('DO', false, true)
    session.completed('DISCARD TEMP', false, true)
    session.resetting(false)
    expect(send()).toEqual([NAME])
  })
})
