import { describe, expect, it } from 'vitest'
import type { SentStatement } from '../../../../src/api/driver.js'
import type { Statement } from '../../../../src/api/statement.js'
import { RESET_PARTS } from '../../../../src/net/session/reset-messages.js'
import { frame } from '../scripted-server.js'
import {
  BOUND,
  columns,
  failure,
  NO_DATA,
  PARSED,
  ready,
  row,
  type ScriptedSession,
  scriptedSession,
  tag,
  turns,
} from './scripted-session.js'

interface Outcome {
  readonly rows?: unknown[]
  readonly error?: { readonly name: string; readonly executed?: string; readonly code?: string }
}

/** A statement whose answer is to say which one it is. */
const ask = (value: string, name?: string): Statement => ({
  text: 'select $1 as v',
  values: [value],
  ...(name === undefined ? {} : { name }),
})

/** Shares statements in one piece. `order` says which were answered, one after the other. */
function share(
  { session }: ScriptedSession,
  ...statements: readonly Statement[]
): { order: number[]; all: Promise<Outcome[]> } {
  const order: number[] = []
  const outcomes: Outcome[] = []
  const all = new Promise<Outcome[]>((resolve) => {
    const sent = statements.map(
      (statement, at): SentStatement => ({
        statement,
        done: (error, result) => {
          order.push(at)
          outcomes[at] = error === null ? { rows: result!.rows } : { error: error as never }
          if (order.length === statements.length) resolve(outcomes)
        },
      }),
    )
    session.share(sent)
  })
  return { order, all }
}

const rest = (value: string): Buffer[] => [columns(['v']), row(value), tag('SELECT 1'), ready()]
const answer = (value: string): Buffer[] => [PARSED, BOUND, ...rest(value)]
// Every second statement is marked, from the first on.
const MARK = frame('3')
const short = (value: string): Buffer[] => [BOUND, row(value), tag('SELECT 1'), ready()]
const LOST = { error: { name: 'ConnectionLostError', executed: 'unknown' } }

describe('statements that share their session', () => {
  it('go out together, each with its own end, and are answered in order', async () => {
    const it = await scriptedSession()
    const { all, order } = share(it, ask('1'), ask('2'), ask('3'))
    expect(it.session.inFlight).toBe(3)
    expect(await it.kinds(17)).toBe('CPBDESPBDESCPBDES')
    it.peer.write(MARK, ...answer('1'), ...answer('2'), MARK, ...answer('3'))
    expect(await all).toEqual([
      { rows: [{ v: '1' }] },
      { rows: [{ v: '2' }] },
      { rows: [{ v: '3' }] },
    ])
    expect(order).toEqual([0, 1, 2])
    expect([it.session.inFlight, it.session.transactionStatus()]).toEqual([0, 'idle'])
  })

  it('go out although others are in flight', async () => {
    const it = await scriptedSession()
    const first = share(it, ask('1'))
    const second = share(it, ask('2'))
    expect(await it.kinds(11)).toBe('CPBDESPBDES')
    it.peer.write(MARK, ...answer('1'))
    expect(await first.all).toEqual([{ rows: [{ v: '1' }] }])
    expect(second.order).toEqual([])
    it.peer.write(...answer('2'))
    expect(await second.all).toEqual([{ rows: [{ v: '2' }] }])
  })

  it('are written whole where the server answers byte by byte', async () => {
    const it = await scriptedSession()
    const { all } = share(it, ask('1'), ask('2'))
    await it.kinds(11)
    const bytes = Buffer.concat([MARK, ...answer('1'), ...answer('2')])
    for (let at = 0; at < bytes.length; at++) it.session.show(bytes.subarray(at, at + 1))
    expect(await all).toEqual([{ rows: [{ v: '1' }] }, { rows: [{ v: '2' }] }])
  })

  it('fail one by one: before BindComplete, after it, and in the middle of the rows', async () => {
    const it = await scriptedSession()
    const { all } = share(it, ask('1'), ask('2'), ask('3'), ask('4'), ask('5'))
    await it.kinds(28)
    it.peer.write(MARK, ...answer('1'))
    it.peer.write(failure('42601'), ready())
    it.peer.write(MARK, PARSED, BOUND, failure('22012'), ready())
    it.peer.write(PARSED, BOUND, columns(['v']), row('4'), failure('57014'), ready())
    it.peer.write(MARK, ...answer('5'))
    expect(await all).toMatchObject([
      { rows: [{ v: '1' }] },
      { error: { code: '42601', executed: 'rolled-back' } },
      { error: { code: '22012' } },
      { error: { code: '57014' } },
      { rows: [{ v: '5' }] },
    ])
    expect(it.session.transactionStatus()).toBe('idle')
  })

  it('do not let one through whose values cannot be sent, and send the others', async () => {
    const it = await scriptedSession()
    const circle: unknown[] = []
    circle.push(circle)
    const { all, order } = share(
      it,
      ask('1'),
      { text: 'select $1', values: [{ toJSON: () => circle }] },
      ask('3'),
    )
    expect(await it.kinds(11)).toBe('CPBDESPBDES')
    it.peer.write(MARK, ...answer('1'), ...answer('3'))
    expect(await all).toMatchObject([{ rows: [{ v: '1' }] }, { error: {} }, { rows: [{ v: '3' }] }])
    expect(order[0]).toBe(1)
  })

  it('wait for the reset that is to go first', async () => {
    const it = await scriptedSession()
    it.session.resetFirst()
    const { all } = share(it, ask('1'), ask('2'))
    expect(await it.kinds(RESET_PARTS * 4 + 5)).toMatch(/^(?:CPBE)+PBDES$/)
    const reset = Buffer.concat([frame('3'), PARSED, BOUND, tag('RESET')])
    it.peer.write(...Array<Buffer>(RESET_PARTS).fill(reset), ...answer('1'))
    expect(await it.kinds(5)).toBe('PBDES')
    it.peer.write(...answer('2'))
    expect(await all).toEqual([{ rows: [{ v: '1' }] }, { rows: [{ v: '2' }] }])
  })

  it('are told that nothing was sent when the session is over', async () => {
    const it = await scriptedSession()
    it.session.destroy('by the test')
    const { all } = share(it, ask('1'), ask('2'))
    const lost = { error: { name: 'ConnectionLostError', executed: 'no' } }
    expect(await all).toMatchObject([lost, lost])
  })

  it('are all in doubt when the session is lost, but for those that are answered', async () => {
    const it = await scriptedSession()
    const { all } = share(it, ask('1'), ask('2'), ask('3'))
    await it.kinds(17)
    it.peer.write(MARK, ...answer('1'), PARSED, BOUND, columns(['v']), row('2'))
    await turns(2)
    it.peer.socket.destroy()
    expect(await all).toMatchObject([{ rows: [{ v: '1' }] }, LOST, LOST])
  })

  it('know what the server has said of the one that it ended', async () => {
    const it = await scriptedSession()
    const { all } = share(it, ask('1'), ask('2'))
    await it.kinds(11)
    it.peer.write(failure('57P01', 'go', 'FATAL'))
    await turns(2)
    it.peer.socket.destroy()
    expect(await all).toMatchObject([{ error: { sqlState: '57P01', executed: 'unknown' } }, LOST])
  })

  it.each(['T', 'E'] as const)(
    'end their session when one has left a transaction open (%s)',
    async (status) => {
      const it = await scriptedSession()
      const { all } = share(it, ask('1'), ask('2'), ask('3'))
      await it.kinds(17)
      it.peer.write(MARK, ...answer('1'), PARSED, BOUND, ...rest('2').slice(0, -1), ready(status))
      it.peer.write(...answer('3'))
      expect(await all).toMatchObject([{ rows: [{ v: '1' }] }, LOST, LOST])
      expect(await it.over).toMatchObject({
        message: expect.stringContaining('left a transaction open') as string,
      })
    },
  )
})

describe('a statement that shares its session under a name', () => {
  it('is parsed once', async () => {
    const it = await scriptedSession()
    const first = share(it, ask('1', 'n'))
    expect(await it.kinds(6)).toBe('CPBDES')
    it.peer.write(MARK, ...answer('1'))
    await first.all
    const second = share(it, ask('2', 'n'), ask('3', 'n'))
    expect(await it.kinds(7)).toBe('BESCBES')
    it.peer.write(...short('2'), MARK, ...short('3'))
    expect(await second.all).toEqual([{ rows: [{ v: '2' }] }, { rows: [{ v: '3' }] }])
  })

  it('follows a Parse that is on its way, and is sent anew if that one fails', async () => {
    const it = await scriptedSession()
    const { order, all } = share(it, ask('1', 'n'), ask('2', 'n'), ask('3', 'n'))
    expect(await it.kinds(15)).toBe('CPBDESBDESCBDES')
    it.peer.write(MARK, failure('42703', 'no such column'), ready())
    it.peer.write(failure('26000', 'no such statement'), ready())
    expect(await it.kinds(5)).toBe('PBDES')
    it.peer.write(MARK, failure('26000', 'no such statement'), ready())
    // Not behind another Parse that may fail.
    expect(await it.kinds(5)).toBe('PBDES')
    expect(order).toEqual([0])
    it.peer.write(...answer('2'), ...answer('3'))
    const [first, ...others] = await all
    expect(first).toMatchObject({ error: { code: '42703' } })
    expect(others).toEqual([{ rows: [{ v: '2' }] }, { rows: [{ v: '3' }] }])
    expect(order).toEqual([0, 1, 2])
  })

  it('is sent anew behind the others when its plan was outdated', async () => {
    const it = await scriptedSession()
    const first = share(it, ask('1', 'n'))
    await it.kinds(6)
    it.peer.write(MARK, ...answer('1'))
    await first.all
    const { all, order } = share(it, ask('2', 'n'), ask('3'), ask('4'))
    expect(await it.kinds(14)).toBe('BESCPBDESPBDES')
    it.peer.write(failure('0A000', 'cached plan must not change result type'), ready())
    const again = await it.kinds(5)
    expect(again).toContain('P')
    it.peer.write(MARK, ...answer('3'), ...answer('4'))
    await turns(2)
    expect(order).toEqual([1, 2])
    if (again.startsWith('C')) {
      await it.kinds(1)
      it.peer.write(frame('3'))
    }
    it.peer.write(...answer('2'))
    expect(await all).toEqual([
      { rows: [{ v: '2' }] },
      { rows: [{ v: '3' }] },
      { rows: [{ v: '4' }] },
    ])
    expect(order).toEqual([1, 2, 0])
  })
})

describe('a message that is not due', () => {
  // What the server owes to the second of three statements, and what it sends in between.
  const DUE = [PARSED, BOUND, columns(['v']), row('2'), tag('SELECT 1'), ready()]
  const STRAY: Record<string, Buffer> = {
    ParseComplete: PARSED,
    BindComplete: BOUND,
    CloseComplete: frame('3'),
    RowDescription: columns(['w']),
    NoData: NO_DATA,
    CommandComplete: tag('SELECT 1'),
    EmptyQueryResponse: frame('I'),
    PortalSuspended: frame('s'),
    ReadyForQuery: ready(),
    ParameterDescription: frame('t', Buffer.from([0, 0])),
    CopyInResponse: frame('G', Buffer.from([0, 0, 0])),
    CopyOutResponse: frame('H', Buffer.from([0, 0, 0])),
    CopyData: frame('d', 'x'),
    CopyDone: frame('c'),
  }

  /** The second statement gets these messages; its neighbours get what they are owed. */
  async function meet(messages: readonly Buffer[]): Promise<Outcome[]> {
    const it = await scriptedSession()
    const { all } = share(it, ask('1'), ask('2'), ask('3'))
    await it.kinds(17)
    it.peer.write(MARK, ...answer('1'), ...messages, MARK, ...answer('3'))
    const outcomes = await all
    await it.over
    return outcomes
  }

  /** Each has its own answer, or none, and the last one has none. */
  function expectOwn([first, second, third]: Outcome[], what: string): void {
    expect(first, what).toEqual({ rows: [{ v: '1' }] })
    if (second!.error === undefined) expect(second, what).toEqual({ rows: [{ v: '2' }] })
    else expect(second, what).toMatchObject(LOST)
    expect(third, what).toMatchObject(LOST)
  }

  it.each(Object.keys(STRAY))('ends the session: %s, at every place', async (name) => {
    for (let at = 0; at <= DUE.length; at++) {
      const messages = [...DUE.slice(0, at), STRAY[name]!, ...DUE.slice(at)]
      expectOwn(await meet(messages), `${name} before ${at}`)
    }
  })

  it('ends the session when one is missing in its place', async () => {
    for (const at of [0, 1, 2, 4, 5]) {
      expectOwn(await meet(DUE.filter((_, index) => index !== at)), `without ${at}`)
    }
  })

  it.each([
    ['too many', ['1', '1', '2', '3']],
    ['too few', ['2', '3']],
  ])('ends the session: an answer %s, all of one form', async (_what, answers) => {
    const it = await scriptedSession()
    const first = share(it, ask('0', 'n'), ask('0'))
    await it.kinds(11)
    it.peer.write(MARK, ...answer('0'), ...answer('0'))
    await first.all
    const { all } = share(it, ask('1', 'n'), ask('2', 'n'), ask('3', 'n'))
    expect(await it.kinds(11)).toBe('CBESBESCBES')
    it.peer.write(
      ...answers.flatMap((value) => (value === '2' ? short(value) : [MARK, ...short(value)])),
    )
    const outcomes = await all
    await it.over
    for (const [at, { rows }] of outcomes.entries()) {
      if (rows !== undefined) expect(rows).toEqual([{ v: `${at + 1}` }])
    }
    expect(outcomes.slice(1)).toMatchObject([LOST, LOST])
  })

  it('is no mark that the server answers none of', async () => {
    const it = await scriptedSession()
    const { all } = share(it, ask('1'), ask('2'), ask('3'))
    await it.kinds(17)
    it.peer.write(...answer('1'), ...answer('2'), ...answer('3'))
    expect(await all).toEqual(['1', '2', '3'].map((v) => ({ rows: [{ v }] })))
    const more = share(it, ask('4'), ask('5'))
    expect(await it.kinds(10)).toBe('PBDESPBDES')
    it.peer.write(...answer('4'), ...answer('5'))
    expect(await more.all).toEqual(['4', '5'].map((v) => ({ rows: [{ v }] })))
  })

  it('ends the session behind an error', async () => {
    for (const stray of [PARSED, BOUND, columns(['w']), row('9'), tag('SELECT 1')]) {
      const [first, second, third] = await meet([failure('22012'), stray, ready()])
      expect(first).toEqual({ rows: [{ v: '1' }] })
      expect(second!.rows).toBeUndefined()
      expect(third).toMatchObject(LOST)
    }
    for (const stray of [row('9'), tag('SELECT 1'), columns(['w'])]) {
      const [, second, third] = await meet([
        PARSED,
        BOUND,
        columns(['v']),
        failure('22012'),
        stray,
        ready(),
      ])
      expect(second!.rows).toBeUndefined()
      expect(third).toMatchObject(LOST)
    }
  })
})
