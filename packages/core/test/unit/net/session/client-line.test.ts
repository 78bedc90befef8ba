import { describe, expect, it, vi } from 'vitest'
import { frame } from '../scripted-server.js'
import {
  BOUND,
  columns,
  failure,
  Holder,
  PARSED,
  type PlainClient,
  ready,
  row,
  type ScriptedSession,
  scriptedSession,
  tag,
  turns,
} from './scripted-session.js'

const message = (kind: string, body = ''): Buffer => frame(kind, body)
const query = (text: string): Buffer => message('Q', `${text}\0`)

async function lent(): Promise<ScriptedSession & { holder: Holder; raw: PlainClient }> {
  const it = await scriptedSession()
  const holder = new Holder()
  it.session.lendRaw(holder)
  return { ...it, holder, raw: it.client() }
}

const answer = (value: string): Buffer[] => [columns(['v']), row(value), tag('SELECT 1'), ready()]

describe('ClientLine', () => {
  it('holds back what the client sends while the server answers the pool, in order', async () => {
    const it = await lent()
    const ours = it.run({ text: 'select 1' })
    const raw = query('select 2')
    for (const piece of [raw.subarray(0, 3), raw.subarray(3, 7), raw.subarray(7)]) {
      it.raw.line.write(piece)
    }
    const behind = it.run({ text: 'select 3' })
    expect(await it.kinds(1)).toBe('Q')
    await turns()
    expect(it.session.transactionStatus()).toBe('unknown')
    it.peer.write(...answer('1'))
    expect((await ours).rows).toEqual([{ v: '1' }])
    expect(await it.kinds(1)).toBe('Q')
    it.peer.write(...answer('2'))
    expect(await it.kinds(1)).toBe('Q')
    expect(it.raw.taken).toBe('TDCZ')
    it.peer.write(...answer('3'))
    expect((await behind).rows).toEqual([{ v: '3' }])
    expect(it.session.transactionStatus()).toBe('idle')
    expect(it.holder.texts).toEqual(['select 2'])
  })

  it.each([
    ['the late data of a COPY', Buffer.concat([message('d', '1\n'), message('f', 'gone\0')])],
    ['nothing', Buffer.alloc(0)],
  ])('goes on with the work of the pool behind %s, which nothing answers', async (_what, bytes) => {
    const it = await lent()
    const first = it.run({ text: 'select 1' })
    const second = it.run({ text: 'select 2' })
    await it.kinds(1)
    it.raw.line.write(bytes)
    it.peer.write(...answer('1'))
    await first
    const expected = bytes.length === 0 ? 'Q' : 'dfQ'
    expect(await it.kinds(expected.length)).toBe(expected)
    it.peer.write(...answer('2'))
    expect((await second).rows).toEqual([{ v: '2' }])
  })

  it('has the work of the pool wait for what the client is about to write', async () => {
    const it = await lent()
    it.raw.mayWrite = true
    const ours = it.run({ text: 'select 1' })
    await turns()
    it.raw.line.write(query('select 2'))
    it.raw.mayWrite = false
    it.raw.line.settled()
    expect(await it.kinds(1)).toBe('Q')
    it.peer.write(...answer('2'))
    expect(await it.kinds(1)).toBe('Q')
    expect(it.raw.taken).toBe('TDCZ')
    it.peer.write(...answer('1'))
    expect((await ours).rows).toEqual([{ v: '1' }])
  })

  it('has a reset go out before what a client that is just made writes', async () => {
    const it = await scriptedSession({}, true)
    it.session.resetFirst()
    const made = it.session.lendRaw(new Holder())
    expect(made).toBe(it.client().raw)
    it.client().line.write(query('select 2'))
    const parts = await it.kinds(9 * 4 + 1)
    expect(parts).toBe(`${'CPBE'.repeat(9)}Q`)
  })

  it('sends what was begun during a lease and is written after it, and tells its texts', async () => {
    const it = await lent()
    it.raw.mayWrite = true
    it.holder.end()
    it.raw.line.write(query('load $$x$$'))
    it.raw.mayWrite = false
    expect(await it.kinds(1)).toBe('Q')
    expect(it.holder.texts).toEqual(['load $$x$$'])
    it.peer.write(tag('LOAD'), ready())
    await turns()
    expect(it.closed).toEqual([])
  })

  it('ends the session at bytes of a client whose lease is over, and sends nothing of them', async () => {
    const it = await lent()
    it.holder.end()
    expect(it.raw.line.write(query('select 1'))).toBe(false)
    await it.over
    expect(await it.kinds(1)).toBe('')
  })

  it('tells the texts of messages that come in pieces of any size, and none that is data', async () => {
    const script = Buffer.concat([
      query('copy t from stdin'),
      message('d', 'Q\0\0\0\u0010set role x\0P\0'),
      message('c'),
      query('set a to 1'),
      message('P', 'name\0select $1\0\0\0'),
      message('S'),
      query('é'),
    ])
    for (const size of [1, 2, 3, 5, 7, 11, script.length]) {
      const it = await lent()
      for (let at = 0; at < script.length; at += size) {
        it.raw.line.write(script.subarray(at, at + size))
      }
      expect(it.holder.texts).toEqual(['copy t from stdin', 'set a to 1', 'select $1', 'é'])
      it.session.destroy('enough')
    }
  })

  it('refuses the work of the pool in the middle of a COPY of the client, and not after its end', async () => {
    const it = await lent()
    it.raw.line.write(query('copy t from stdin'))
    const waiting = it.run({ text: 'select 1' })
    await it.kinds(1)
    it.peer.write(frame('G', Buffer.from([0, 0, 0])))
    await expect(waiting).rejects.toMatchObject({ executed: 'no' })
    await expect(it.run({ text: 'select 1' })).rejects.toMatchObject({ executed: 'no' })
    it.raw.line.write(message('c'))
    it.peer.write(tag('COPY 0'))
    await turns()
    const ours = it.run({ text: 'select 1' })
    it.peer.write(ready())
    expect(await it.kinds(2)).toBe('cQ')
    it.peer.write(...answer('1'))
    expect((await ours).rows).toEqual([{ v: '1' }])
  })

  it('takes a COPY of the client for ended by an error', async () => {
    const it = await lent()
    it.raw.line.write(query('copy t from stdin'))
    await it.kinds(1)
    it.peer.write(frame('G', Buffer.from([0, 0, 0])), failure('22P04'))
    await turns()
    const ours = it.run({ text: 'select 1' })
    it.peer.write(ready())
    expect(await it.kinds(1)).toBe('Q')
    it.peer.write(...answer('1'))
    await ours
  })

  it('reads the answer to the pool although the client has stopped reading', async () => {
    const it = await lent()
    it.raw.onTake = () => it.raw.line.pause(true)
    it.raw.line.write(query('select 1'))
    it.peer.write(...answer('1'))
    await it.kinds(1)
    await turns()
    const ours = it.run({ text: 'select 2' })
    await it.kinds(1)
    it.peer.write(frame('N', 'SNOTICE\0C00000\0Mhello\0\0'), ...answer('2'))
    expect((await ours).rows).toEqual([{ v: '2' }])
  })

  it('reads no more while the client has stopped reading in the middle of its answer', async () => {
    const it = await lent()
    it.raw.onTake = () => it.raw.line.pause(true)
    it.raw.line.write(query('select 1'))
    await it.kinds(1)
    it.peer.write(columns(['v']))
    await turns()
    it.peer.write(row('1'), tag('SELECT 1'), ready())
    await turns()
    expect(it.raw.taken).toBe('T')
    it.raw.onTake = () => {}
    it.raw.line.pause(false)
    await vi.waitFor(() => expect(it.raw.taken).toBe('TDCZ'))
  })

  it('ends the session when a callback of the borrower throws, and has the error surface', async () => {
    const it = await lent()
    const surfaced: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => surfaced.push(error))
    const thrown = new Error('by the borrower')
    try {
      it.raw.onTake = () => {
        throw thrown
      }
      it.raw.line.write(query('select 1'))
      await it.kinds(1)
      it.peer.write(...answer('1'))
      await it.over
      await turns()
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
    expect(surfaced).toEqual([thrown])
    expect(it.raw.lost).toHaveLength(1)
  })

  it('settles what was held back when the session is lost, and what is written after that', async () => {
    const it = await lent()
    const ours = it.run({ text: 'select 1' })
    const written: unknown[] = []
    it.raw.line.write(query('select 2'), (error) => written.push(error))
    await it.kinds(1)
    it.peer.socket.destroy()
    await expect(ours).rejects.toMatchObject({ executed: 'unknown' })
    await it.over
    expect(it.raw.line.write(query('select 3'), (error) => written.push(error))).toBe(false)
    await turns()
    expect(written).toMatchObject([{ code: 'CONNECTION_CLOSED' }, { code: 'CONNECTION_CLOSED' }])
  })

  it('repeats a statement before what the client has sent since', async () => {
    const it = await lent()
    const statement = { text: 'select * from t where n = $1', values: ['1'], name: 'mine' }
    const first = it.run(statement)
    await it.kinds(5)
    it.peer.write(PARSED, BOUND, columns(['v']), row('1'), tag('SELECT 1'), ready())
    await first
    const again = it.run(statement)
    expect(await it.kinds(3)).toBe('BES')
    it.raw.line.write(query('begin'))
    it.peer.write(failure('0A000'), ready())
    expect(await it.kinds(6)).toBe('CPBDES')
    it.peer.write(frame('3'), PARSED, BOUND, columns(['w']), row('2'), tag('SELECT 1'), ready())
    expect((await again).rows).toEqual([{ w: '2' }])
    expect(await it.kinds(1)).toBe('Q')
  })

  it('asks the client to pause while too much of it is held back, and to go on then', async () => {
    const it = await lent()
    const ours = it.run({ text: 'select 1' })
    const long = query('x'.repeat(40_000))
    expect([it.raw.line.write(long), it.raw.line.write(long)]).toEqual([true, false])
    await it.kinds(1)
    it.peer.write(...answer('1'))
    await ours
    await it.kinds(2)
    expect(it.raw.drains).toBeGreaterThan(0)
  })
})
