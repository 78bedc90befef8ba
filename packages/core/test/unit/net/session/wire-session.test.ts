import { describe, expect, it } from 'vitest'
import type { SentStatement } from '../../../../src/api/driver.js'
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

type Outcome = { readonly rows?: unknown[]; readonly error?: unknown }

/** Sends statements in one piece, and collects their outcomes. */
function together(
  { session }: ScriptedSession,
  ...statements: readonly (readonly [text: string, joined?: boolean, name?: string])[]
): { outcomes: Outcome[]; all: Promise<Outcome[]>; sent: boolean } {
  const outcomes: Outcome[] = []
  let sent = false
  const all = new Promise<Outcome[]>((resolve) => {
    const group = statements.map(
      ([text, joined, name]): SentStatement => ({
        statement: { text, values: ['1'], name },
        joined,
        done: (error, result) => {
          outcomes.push(error === null ? { rows: result!.rows } : { error })
          if (outcomes.length === statements.length) resolve(outcomes)
        },
      }),
    )
    sent = session.runTogether(group)
  })
  return { outcomes, all, sent }
}

const one = (value: string): Buffer[] => [BOUND, columns(['v']), row(value), tag('SELECT 1')]

describe('a ReadyForQuery', () => {
  it('that ends nothing ends the session, before it can end the next statement', async () => {
    const it = await scriptedSession()
    it.peer.write(ready())
    expect(await it.over).toMatchObject({ message: expect.stringContaining('not asked') as string })
  })

  it('that comes twice does not answer the statement behind it', async () => {
    const it = await scriptedSession()
    const first = it.run({ text: 'select 1' })
    const second = it.run({ text: 'select 2' })
    expect(await it.kinds(1)).toBe('Q')
    it.peer.write(columns(['v']), row('1'), tag('SELECT 1'), ready(), ready())
    expect(await first).toMatchObject({ rows: [{ v: '1' }] })
    await expect(second).rejects.toMatchObject({ name: 'ConnectionLostError' })
  })

  it('that comes before the end of an answer ends the session instead of the statement', async () => {
    const it = await scriptedSession()
    const result = it.run({ text: 'select $1', values: ['1'] })
    await it.kinds(5)
    it.peer.write(PARSED, BOUND, columns(['v']), row('1'), ready())
    await expect(result).rejects.toMatchObject({
      name: 'ConnectionLostError',
      executed: 'unknown',
    })
  })

  it.each(['', 'IE'])(
    'whose body is %j ends the session, and no byte behind it is a status',
    async (body) => {
      const it = await scriptedSession()
      const result = it.run({ text: 'select 1' })
      await it.kinds(1)
      it.peer.write(columns(['v']), tag('SELECT 0'), frame('Z', body), frame('I'))
      await expect(result).rejects.toMatchObject({ executed: 'unknown' })
      expect(it.session.transactionStatus()).toBe('unknown')
    },
  )
})

describe('an answer', () => {
  const ANSWER = Buffer.concat([
    PARSED,
    BOUND,
    columns(['v', 'w']),
    frame('N', 'SNOTICE\0VNOTICE\0C00000\0Mhello\0\0'),
    row('1', null),
    row('é€'.repeat(30), ''),
    frame('S', 'TimeZone\0UTC\0'),
    tag('SELECT 2'),
    ready('T'),
  ])

  it('is the same byte by byte', async () => {
    const it = await scriptedSession()
    const result = it.run({ text: 'select $1, $2', values: ['1', '2'] })
    for (let at = 0; at < ANSWER.length; at++) it.session.show(ANSWER.subarray(at, at + 1))
    expect(await result).toMatchObject({
      rows: [
        { v: '1', w: null },
        { v: 'é€'.repeat(30), w: '' },
      ],
      command: 'SELECT',
      rowCount: 2,
    })
    expect(it.session.transactionStatus()).toBe('active')
  })

  it('is the same for chunks of two parts, at every place', async () => {
    const it = await scriptedSession()
    for (let at = 0; at <= ANSWER.length; at++) {
      const result = it.run({ text: 'select $1, $2', values: ['1', '2'] })
      it.session.show(ANSWER.subarray(0, at))
      it.session.show(ANSWER.subarray(at))
      expect((await result).rows).toHaveLength(2)
    }
  })

  const good = [PARSED, BOUND, columns(['v', 'w'])]
  const size = (value: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    return bytes
  }
  const raw = (...parts: Buffer[]): Buffer =>
    frame('D', Buffer.concat([Buffer.from([0, 2]), ...parts]))
  const malformed: Record<string, Buffer> = {
    'a value longer than its row': raw(size(1), Buffer.from('a'), size(50), Buffer.from('b')),
    'a length below -1': raw(size(1), Buffer.from('a'), size(-2)),
    'a length that overflows': raw(size(1), Buffer.from('a'), size(-0x8000_0000)),
    'a row that ends in a length': raw(size(1), Buffer.from('a'), Buffer.from([0, 0])),
    'a row without its last value': raw(size(1), Buffer.from('a')),
    'bytes behind the last value': raw(size(1), Buffer.from('a'), size(0), Buffer.from('x')),
    'too many columns': row('a', 'b', 'c'),
    'too few columns': row('a'),
    'no column count': frame('D'),
  }
  it.each(Object.keys(malformed))('with %s fails its statement, and nothing else', async (what) => {
    const it = await scriptedSession()
    const result = it.run({ text: 'select $1, $2', values: ['1', '2'] })
    await it.kinds(5)
    it.peer.write(...good, malformed[what]!, row('s3cret', 's3cret'), tag('SELECT 2'), ready())
    const error: Error = await result.then(
      () => new Error('it was read'),
      (e: Error) => e,
    )
    expect(error).toMatchObject({ name: 'PoolhouseError', executed: 'yes' })
    expect(error.message).not.toContain('s3cret')
    const next = it.run({ text: 'select 1' })
    await it.kinds(1)
    it.peer.write(columns(['v']), row('1'), tag('SELECT 1'), ready())
    expect((await next).rows).toEqual([{ v: '1' }])
  })

  it.each([
    ['a RowDescription that is cut short', frame('T', Buffer.from([0, 2, 0x61, 0]))],
    ['a RowDescription without an end of its name', frame('T', Buffer.from([0, 1, 0x61]))],
    ['a RowDescription without a count', frame('T')],
    ['a message of an impossible length', Buffer.from([0x44, 0, 0, 0, 3])],
    ['a message of a gigabyte and more', Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])],
    ['a message of an unknown kind', frame('~')],
  ])('with %s ends the session', async (_what, bytes) => {
    const it = await scriptedSession()
    const result = it.run({ text: 'select $1', values: ['1'] })
    await it.kinds(5)
    it.peer.write(PARSED, BOUND, bytes)
    await expect(result).rejects.toMatchObject({ executed: 'unknown' })
    expect(it.closed).toHaveLength(1)
  })
})

describe('statements that are sent together', () => {
  it('each get their own answer, however it is cut', async () => {
    const it = await scriptedSession()
    const { all, sent } = together(it, ['select 1, $1'], ['select 2, $1'], ['select 3, $1'])
    expect(sent).toBe(true)
    expect(await it.kinds(15)).toBe('PBDES'.repeat(3))
    const bytes = Buffer.concat([
      ...[PARSED, ...one('a'), ready()],
      ...[PARSED, ...one('b'), ready()],
      ...[PARSED, ...one('c'), ready()],
    ])
    for (let at = 0; at < bytes.length; at++) it.session.show(bytes.subarray(at, at + 1))
    expect(await all).toEqual([
      { rows: [{ v: 'a' }] },
      { rows: [{ v: 'b' }] },
      { rows: [{ v: 'c' }] },
    ])
  })

  it.each([
    ['Parse', [failure('42601')]],
    ['Bind', [PARSED, failure('22P02')]],
    ['Execute', [PARSED, BOUND, columns(['v']), row('x'), failure('22012')]],
    ['Sync', [PARSED, ...one('x'), failure('23503')]],
  ])('fail one by one where an error comes at %s', async (_where, bytes) => {
    const it = await scriptedSession()
    const { all } = together(it, ['select 1, $1'], ['select 2, $1'], ['select 3, $1'])
    it.peer.write(PARSED, ...one('a'), ready(), ...bytes, ready(), PARSED, ...one('c'), ready())
    expect(await all).toMatchObject([
      { rows: [{ v: 'a' }] },
      { error: { name: 'DatabaseError', executed: 'rolled-back' } },
      { rows: [{ v: 'c' }] },
    ])
  })

  it('pass over what is joined to one that fails', async () => {
    const it = await scriptedSession()
    const { all } = together(it, ['begin', true], ['select 2, $1', true], ['select 3, $1'])
    expect(await it.kinds(13)).toBe('PBDEPBDEPBDES')
    it.peer.write(PARSED, BOUND, NO_DATA, tag('BEGIN'), failure('42601'), ready('E'))
    expect(await all).toMatchObject([
      { rows: [] },
      { error: { name: 'DatabaseError', code: '42601' } },
      { error: { executed: 'no' } },
    ])
    expect(it.session.transactionStatus()).toBe('failed')
  })

  it('are all undone where joined ones are no transaction and one of them fails', async () => {
    for (const bytes of [
      [PARSED, BOUND, NO_DATA, tag('INSERT 0 1'), failure('22012')],
      [PARSED, BOUND, NO_DATA, tag('INSERT 0 1'), PARSED, ...one('x'), failure('23503')],
    ]) {
      const it = await scriptedSession()
      const { all } = together(it, ['insert into t values ($1)', true], ['select 3, $1'])
      it.peer.write(...bytes, ready('I'))
      expect(await all).toMatchObject([
        { error: { name: 'PoolhouseError', executed: 'rolled-back' } },
        { error: { name: 'DatabaseError' } },
      ])
    }
  })

  it('are not undone by an error inside of a transaction that goes on', async () => {
    const it = await scriptedSession()
    const { all } = together(it, ['insert into t values ($1)', true], ['select 3, $1'])
    it.peer.write(PARSED, BOUND, NO_DATA, tag('INSERT 0 1'), failure('22012'), ready('E'))
    expect(await all).toMatchObject([{ rows: [] }, { error: { code: '22012' } }])
  })

  it.each([0, 1, 2])(
    'are in doubt from the first unanswered one on when the session is lost behind %i',
    async (count) => {
      const it = await scriptedSession()
      const { all } = together(it, ['select 1, $1'], ['select 2, $1'], ['select 3, $1'])
      await it.kinds(15)
      const answered = Array.from({ length: count }, () => [PARSED, ...one('a'), ready()]).flat()
      it.peer.write(...answered, PARSED)
      await turns()
      it.peer.socket.destroy()
      const outcomes = await all
      for (const [index, outcome] of outcomes.entries()) {
        if (index < count) expect(outcome).toEqual({ rows: [{ v: 'a' }] })
        else expect(outcome).toMatchObject({ error: { executed: 'unknown' } })
      }
    },
  )

  it('are answered up to the last ReadyForQuery that came, wherever the session is lost', async () => {
    const messages = ['a', 'b', 'c'].flatMap((value) => [PARSED, ...one(value), ready()])
    const begin = [PARSED, BOUND, NO_DATA, tag('BEGIN')]
    const joined = [...begin, PARSED, ...one('b'), ready('T'), PARSED, ...one('c'), ready('T')]
    for (const [answer, isJoined] of [
      [messages, false],
      [joined, true],
    ] as const) {
      for (let count = 0; count <= answer.length; count++) {
        const it = await scriptedSession()
        const { all } = together(it, ['begin', isJoined], ['select 2, $1'], ['select 3, $1'])
        it.session.show(Buffer.concat(answer.slice(0, count)))
        it.session.destroy('lost')
        const ended = answer.slice(0, count).filter((message) => message[0] === 0x5a).length
        const answered = isJoined && ended > 0 ? ended + 1 : ended
        const outcomes = await all
        expect(outcomes.map(({ error }) => error === undefined)).toEqual(
          outcomes.map((_, index) => index < answered),
        )
        for (const { error } of outcomes.slice(answered)) {
          expect(error).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
        }
      }
    }
  })

  it('fail behind one that waits and cannot be sent, each on its own', async () => {
    const it = await scriptedSession()
    const warm = it.run({ text: 'select 1, $1', values: ['1'], name: 'mine' })
    await it.kinds(5)
    it.peer.write(PARSED, ...one('a'), ready())
    await warm
    const { all } = together(
      it,
      ['select 2, $1', true],
      ['another text, $1', false, 'mine'],
      ['select 3, $1'],
      ['another text, $1', false, 'mine'],
      ['select 4, $1'],
    )
    expect(await it.kinds(5)).toBe('PBDES')
    it.peer.write(PARSED, ...one('c'), ready())
    expect(await it.kinds(5)).toBe('PBDES')
    it.peer.write(PARSED, ...one('d'), ready())
    const refused = { error: { name: 'TypeError' } }
    const outcomes = await all
    expect(outcomes).toMatchObject([
      refused,
      refused,
      { rows: [{ v: 'c' }] },
      refused,
      { rows: [{ v: 'd' }] },
    ])
    expect(it.session.inFlight).toBe(0)
  })

  it('are all answered when the session is closed meanwhile', async () => {
    const it = await scriptedSession()
    const { all } = together(it, ['select 1, $1'], ['select 2, $1'], ['select 3, $1'])
    await it.kinds(15)
    const closed = it.session.close(2_000)
    it.peer.write(...[PARSED, ...one('a'), ready(), PARSED, ...one('b'), ready()])
    it.peer.write(...[PARSED, ...one('c'), ready()])
    expect(await all).toEqual([
      { rows: [{ v: 'a' }] },
      { rows: [{ v: 'b' }] },
      { rows: [{ v: 'c' }] },
    ])
    expect(await it.kinds(1)).toBe('X')
    it.peer.socket.end()
    await closed
  })

  it.each([
    ['a COPY', 'copy t from stdin'],
    ['a COPY among several commands', 'select 1; copy t from stdin'],
    ['a COPY that reads', 'copy t to stdout'],
  ])('are refused with nothing sent where one is %s', async (_what, text) => {
    const it = await scriptedSession()
    const { sent, outcomes } = together(it, ['select 1'], [text], ['select 2'])
    expect(sent).toBe(false)
    const next = it.run({ text: 'select 1' })
    expect(await it.kinds(1)).toBe('Q')
    it.peer.write(columns(['v']), row('1'), tag('SELECT 1'), ready())
    expect((await next).rows).toEqual([{ v: '1' }])
    expect(outcomes).toEqual([])
  })

  it('use no prepared statement behind one that may change what it stands for', async () => {
    const it = await scriptedSession()
    const warm = it.run({ text: 'select * from t where n = $1', values: ['1'], name: 'mine' })
    await it.kinds(5)
    it.peer.write(PARSED, ...one('a'), ready())
    await warm
    for (const joined of [false, true]) {
      const { all } = together(
        it,
        ['select * from t where n = $1', joined, 'mine'],
        ['alter table t add m int', joined],
        ['select * from t where n = $1', false, 'mine'],
      )
      // Those that stand for themselves take no name anyway.
      expect(await it.kinds(joined ? 11 : 15)).toBe(joined ? 'BEPBDEPBDES' : 'PBDES'.repeat(3))
      const end = joined ? [] : [ready()]
      it.peer.write(
        ...(joined ? [] : [PARSED]),
        BOUND,
        columns(['v']),
        row('a'),
        tag('SELECT 1'),
        ...end,
      )
      it.peer.write(PARSED, BOUND, NO_DATA, tag('ALTER TABLE'), ...end)
      it.peer.write(PARSED, BOUND, columns(['v', 'w']), row('b', 'c'), tag('SELECT 1'), ready())
      expect(await all).toEqual([
        { rows: [{ v: 'a' }] },
        { rows: [] },
        { rows: [{ v: 'b', w: 'c' }] },
      ])
      const again = it.run({ text: 'select * from t where n = $1', values: ['1'], name: 'mine' })
      expect(await it.kinds(6)).toBe('CPBDES')
      it.peer.write(frame('3'), PARSED, ...one('d'), ready())
      await again
    }
  })

  it('tell the server again to forget what it was not told because of an error', async () => {
    const it = await scriptedSession()
    const text = 'select * from t where n = $1'
    const warm = it.run({ text, values: ['1'], name: 'mine' })
    await it.kinds(5)
    it.peer.write(PARSED, ...one('a'), ready())
    await warm
    const change = it.run({ text: 'create table other ()' })
    await it.kinds(1)
    it.peer.write(tag('CREATE TABLE'), ready())
    await change
    const { all } = together(it, ['select 1, $1', true], [text, false, 'mine'])
    expect(await it.kinds(10)).toBe('PBDECPBDES')
    it.peer.write(failure('42601'), ready())
    await all
    const again = it.run({ text, values: ['1'], name: 'mine' })
    expect((await it.kinds(6)).startsWith('C')).toBe(true)
    it.peer.write(frame('3'), frame('3'), PARSED, ...one('d'), ready())
    expect((await again).rows).toEqual([{ v: 'd' }])
  })
})
