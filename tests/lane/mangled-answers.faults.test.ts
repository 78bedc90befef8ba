import { beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'
import {
  frame,
  type Mangled,
  message,
  ready,
  refusal,
  type ServerMessage,
  startMangledLine,
} from './mangled-line.js'
import { ask, learn, makeNumbers, outcomes } from './shared-calls.js'

guardProcess()
const server = testServer()
beforeAll(() => makeNumbers(server))
const CALLS = 8
const STRUCK = 3

interface Blow {
  /** What the server does to the answer. */
  readonly does: string
  /** The answer as it goes out. */
  readonly mangle: (bytes: readonly Buffer[], answer: readonly ServerMessage[]) => Mangled
  /** What the `destroy` event says; undefined if the session lives on. */
  readonly reason?: RegExp
  /** What becomes of the call. Default: that of the later ones. */
  readonly struck?: string
  /** What becomes of the later ones. */
  readonly later: string
  /** How many are sent once more, because it is known that they were not begun. Default 0. */
  readonly again?: number
}

const LOST = 'ConnectionLostError unknown'
const SHIFTED = /answers what was not asked/
const isKind = (kind: string) => (received: ServerMessage) => received.kind === kind
const without =
  (kind: string) =>
  (_bytes: readonly Buffer[], answer: readonly ServerMessage[]): Buffer[] =>
    answer.filter((received) => received.kind !== kind).map(({ bytes }) => bytes)
const twice =
  (kind: string) =>
  (_bytes: readonly Buffer[], answer: readonly ServerMessage[]): Buffer[] =>
    answer.flatMap(({ bytes, kind: found }) => (found === kind ? [bytes, bytes] : [bytes]))
const behind =
  (kind: string, added: Buffer) =>
  (_bytes: readonly Buffer[], answer: readonly ServerMessage[]): Buffer[] =>
    answer.flatMap(({ bytes, kind: found }) => (found === kind ? [bytes, added] : [bytes]))

/** A RowDescription of one text column. */
const OTHER_COLUMNS = frame(
  'T',
  Buffer.concat([
    Buffer.from([0, 1]),
    Buffer.from('other\0'),
    Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]),
  ]),
)
/** A DataRow of one value. */
const OTHER_ROW = frame('D', Buffer.from([0, 1, 0, 0, 0, 1, 0x37]))

const BLOWS: readonly Blow[] = [
  {
    does: 'ends the connection in front of it',
    mangle: () => ({ last: [], end: 'fin' }),
    reason: /closed the connection unexpectedly/,
    later: LOST,
  },
  {
    does: 'ends the connection in the middle of its row',
    mangle: (bytes) => ({ last: [bytes[0]!, bytes[1]!.subarray(0, 9)], end: 'fin' }),
    reason: /closed the connection unexpectedly/,
    later: LOST,
  },
  {
    does: 'resets the connection between its last message and ReadyForQuery',
    mangle: (bytes) => ({ last: bytes.slice(0, -1), end: 'reset' }),
    reason: /closed the connection unexpectedly/,
    later: LOST,
  },
  { does: 'leaves BindComplete out', mangle: without('2'), reason: SHIFTED, later: LOST },
  { does: 'says BindComplete twice', mangle: twice('2'), reason: SHIFTED, later: LOST },
  { does: 'leaves CommandComplete out', mangle: without('C'), reason: SHIFTED, later: LOST },
  { does: 'says CommandComplete twice', mangle: twice('C'), reason: SHIFTED, later: LOST },
  { does: 'leaves ReadyForQuery out', mangle: without('Z'), reason: SHIFTED, later: LOST },
  {
    does: 'says ReadyForQuery twice',
    mangle: twice('Z'),
    reason: SHIFTED,
    struck: 'ok',
    later: LOST,
  },
  {
    does: 'sends its messages in another order',
    mangle: ([bind, ...others]) => [others[0]!, bind!, ...others.slice(1)],
    reason: SHIFTED,
    later: LOST,
  },
  {
    does: 'sends a row behind CommandComplete',
    mangle: (bytes, answer) => behind('C', answer.find(isKind('D'))!.bytes)(bytes, answer),
    reason: SHIFTED,
    later: LOST,
  },
  {
    does: 'describes columns that it was not asked for',
    mangle: behind('2', OTHER_COLUMNS),
    reason: SHIFTED,
    later: LOST,
  },
  {
    does: 'sends a row of other columns',
    mangle: behind('2', OTHER_ROW),
    reason: /not the ones described/,
    later: LOST,
  },
  {
    does: 'says that the portal is suspended',
    mangle: (bytes) => [...bytes.slice(0, 2), frame('s'), ...bytes.slice(3)],
    reason: SHIFTED,
    later: LOST,
  },
  {
    does: 'asks for COPY data',
    mangle: behind('2', frame('G', Buffer.from([0, 0, 0]))),
    reason: SHIFTED,
    later: LOST,
  },
  {
    does: 'sends a message of an unknown kind',
    mangle: (bytes) => [frame('?'), ...bytes],
    reason: /unknown kind/,
    later: LOST,
  },
  {
    does: 'sends a message without a length',
    mangle: (bytes) => [Buffer.from([0x44, 0, 0, 0, 0]), ...bytes],
    reason: /length/,
    later: LOST,
  },
  {
    does: 'asks for another log-in',
    mangle: (bytes) => [frame('R', Buffer.from([0, 0, 0, 0])), ...bytes],
    reason: /another log-in/,
    later: LOST,
  },
  {
    does: 'refuses to begin it with an ERROR that may be about its name',
    mangle: () => [refusal('ERROR', '26000'), ready('I')],
    struck: 'ok',
    later: 'ok',
    again: 1,
  },
  {
    does: 'refuses it with an ERROR behind its row',
    mangle: (bytes) => [...bytes.slice(0, 2), refusal('ERROR', '40001'), ready('I')],
    struck: '40001 rolled-back',
    later: 'ok',
  },
  {
    does: 'refuses it with an ERROR',
    mangle: (bytes) => [bytes[0]!, refusal('ERROR', '22012'), ready('I')],
    struck: '22012 rolled-back',
    later: 'ok',
  },
  {
    does: 'says two errors for it',
    mangle: (bytes) => [
      bytes[0]!,
      refusal('ERROR', '22012'),
      refusal('ERROR', '22012'),
      ready('I'),
    ],
    struck: '22012 rolled-back',
    later: 'ok',
  },
  {
    does: 'ends the session with a FATAL in its place',
    mangle: () => ({ last: [refusal('FATAL', '57P01')], end: 'fin' }),
    reason: /the line says so/,
    later: LOST,
  },
  {
    does: 'ends an idle session with a FATAL in its place, so that none of the rest was begun',
    mangle: () => ({ last: [refusal('FATAL', '57P05')], end: 'fin' }),
    reason: /the line says so/,
    later: 'ok',
    again: CALLS - STRUCK,
  },
  {
    does: 'has a transaction open behind it',
    mangle: (bytes) => [...bytes.slice(0, -1), ready('T')],
    reason: /left a transaction open/,
    later: LOST,
  },
  {
    does: 'has a failed transaction open behind it',
    mangle: (bytes) => [bytes[0]!, refusal('ERROR', '22012'), ready('E')],
    reason: /left a transaction open/,
    later: LOST,
  },
  {
    does: 'says no status behind it',
    mangle: (bytes) => [...bytes.slice(0, -1), frame('Z')],
    reason: /says no status/,
    later: LOST,
  },
  {
    does: 'says a notice, a notification and the value of a parameter before it',
    mangle: (bytes) => [
      message('N', 'SNOTICE', 'VNOTICE', 'C00000', 'Mhello', ''),
      message('A', '\0\0\0channel', 'news'),
      message('S', 'application_name', 'other'),
      ...bytes,
    ],
    struck: 'ok',
    later: 'ok',
  },
]

describe.each(DRIVERS)(
  'a server that mangles the answer to a shared call, over $driver',
  ({ make }) => {
    const openPool = server.poolsOver(make())

    describe.each([
      { pieces: 'answer by answer', inOnePiece: false },
      { pieces: 'with all answers in one piece', inOnePiece: true },
    ])('$pieces', ({ inOnePiece }) => {
      for (const blow of BLOWS) {
        it(`T110: ${blow.does}, and each caller gets its own outcome`, async () => {
          await using line = await startMangledLine(server.url)
          const pool = openPool({ connection: line.url, max: 1, multiplex: { connections: 1 } })
          const reasons: string[] = []
          pool.on('destroy', ({ reason }) => reasons.push(reason))
          await learn(pool)
          line.arm(CALLS, inOnePiece, (answer, index) => {
            const bytes = answer.map((received) => received.bytes)
            if (index !== STRUCK) return bytes
            // Every second answer begins with the mark of its statement.
            const marks = answer[0]?.kind === '3' ? 1 : 0
            const first = bytes.slice(0, marks)
            const mangled = blow.mangle(bytes.slice(marks), answer.slice(marks))
            return 'last' in mangled
              ? { ...mangled, last: [...first, ...mangled.last] }
              : [...first, ...mangled]
          })
          const calls = Array.from({ length: CALLS }, (_, n) => ask(pool, n))
          const got = await outcomes(calls)
          const struck = blow.struck ?? blow.later
          expect(got).toEqual(
            got.map((_, index) => (index < STRUCK ? 'ok' : index === STRUCK ? struck : blow.later)),
          )
          expect(line.executes).toBe(CALLS + (blow.again ?? 0))
          if (blow.reason === undefined) expect(reasons).toEqual([])
          else {
            await until(() => reasons.length === 1, 'the session to be destroyed')
            expect(reasons[0]).toMatch(blow.reason)
          }
          expect(await outcomes([ask(pool, 7)], 7)).toEqual(['ok'])
          expect(pool.stats()).toMatchObject({ pending: 0, total: 1 })
        })
      }
    })

    it('T110: an answer too many goes to no caller who waits for the connection', async () => {
      await using line = await startMangledLine(server.url)
      const pool = openPool({ connection: line.url, max: 1, multiplex: { connections: 1 } })
      const reasons: string[] = []
      pool.on('destroy', ({ reason }) => reasons.push(reason))
      await learn(pool)
      line.arm(CALLS, true, (answer, index) => {
        const bytes = answer.map((received) => received.bytes)
        return index === CALLS - 1 ? [...bytes, ...bytes] : bytes
      })
      const calls = Array.from({ length: CALLS }, (_, n) => ask(pool, n))
      const alone = pool.query('select pg_backend_pid() as pid').then(
        ({ rows }) => rows,
        (error) => error,
      )
      expect(await outcomes(calls)).toEqual(calls.map(() => 'ok'))
      // It was sent before the session was known to be lost.
      expect(await alone).toMatchObject({ name: 'ConnectionLostError', executed: 'unknown' })
      expect(reasons).toEqual([expect.stringMatching(SHIFTED)])
      expect(await outcomes([ask(pool, 7)], 7)).toEqual(['ok'])
    })

    it('T110: an answer too few leaves the last call to its deadline, and ends the session', async () => {
      await using line = await startMangledLine(server.url)
      const pool = openPool({
        connection: line.url,
        max: 1,
        multiplex: { connections: 1 },
        statementTimeoutMs: 500,
      })
      const reasons: string[] = []
      pool.on('destroy', ({ reason }) => reasons.push(reason))
      await learn(pool)
      line.arm(CALLS, true, (answer, index) =>
        index === CALLS - 1 ? [] : answer.map((received) => received.bytes),
      )
      const calls = Array.from({ length: CALLS }, (_, n) => ask(pool, n))
      const got = await outcomes(calls)
      expect(got.slice(0, -1)).toEqual(got.slice(1).map(() => 'ok'))
      expect(got.at(-1)).toBe('StatementTimeoutError unknown')
      await until(() => reasons.length === 1, 'the session to be destroyed')
      expect(reasons[0]).toMatch(/half open|did not end after a cancel/)
      expect(await outcomes([ask(pool, 7)], 7)).toEqual(['ok'])
    })

    it('T110: an answer too few in the middle is noticed by the next one', async () => {
      await using line = await startMangledLine(server.url)
      const pool = openPool({ connection: line.url, max: 1, multiplex: { connections: 1 } })
      const reasons: string[] = []
      pool.on('destroy', ({ reason }) => reasons.push(reason))
      const other = 'select n from numbers where n = $1'
      await learn(pool)
      await learn(pool, other)
      line.arm(CALLS, true, (answer, index) =>
        index === STRUCK ? [] : answer.map((received) => received.bytes),
      )
      const calls = Array.from({ length: CALLS }, (_, n) =>
        n === STRUCK ? pool.query(other, [n]) : ask(pool, n),
      )
      const got = await Promise.allSettled(calls)
      expect(got.map(({ status }) => status)).toEqual(
        got.map((_, index) => (index < STRUCK ? 'fulfilled' : 'rejected')),
      )
      await until(() => reasons.length === 1, 'the session to be destroyed')
      expect(reasons[0]).toMatch(/not the ones described|answers what was not asked/)
    })
  },
)
