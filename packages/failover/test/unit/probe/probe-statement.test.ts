import {
  AuthenticationError,
  ConnectError,
  ConnectionLostError,
  DatabaseError,
  PoolClosedError,
} from '@poolhouse/core'
import { readLsn } from '@poolhouse/core/kit'
import { describe, expect, it } from 'vitest'
import { findingOf } from '../../../src/probe/probe-finding.js'
import { probeStatements, readProbe } from '../../../src/probe/probe-statement.js'

const endpoint = 'db:5432/app'

describe('the statement of a probe', () => {
  const always = ['in_recovery', 'read_only', 'started_at', 'lsn', 'replay_paused']
  it.each([
    ['timeline', [...always, 'system_id', 'timeline', 'received_timeline', 'receive_lsn', 'begin']],
    ['off', always],
  ] as const)('names every column (fence: %s)', (fence, columns) => {
    const [text] = probeStatements(fence) as [string]
    for (const column of columns) expect(text).toMatch(new RegExp(` as ${column}\\b`))
  })

  it('leaves out what hosted services hide with fence: off', () => {
    expect(probeStatements('off').join()).not.toMatch(/pg_control|walfile/)
    expect(probeStatements('off')[1]).not.toMatch(/lsn\(\)/)
  })
})

describe('reading a probe', () => {
  it.each([
    ['text', ['t', 'off', '7', '2', 'x', '16/B374D848', null, 'f']],
    ['types', [true, false, 7n, 2, 'x', '16/b374d848', null, false]],
  ])('understands a row of %s', (_title, values) => {
    const [in_recovery, read_only, system_id, timeline, started_at, lsn, receive_lsn, paused] =
      values
    const row = { in_recovery, read_only, system_id, timeline, started_at, lsn, receive_lsn }
    expect(readProbe({ rows: [{ ...row, replay_paused: paused }] })).toEqual({
      inRecovery: true,
      readOnly: false,
      systemId: '7',
      timeline: 2,
      timelineExact: false,
      past: undefined,
      tellsPast: false,
      receiver: undefined,
      receivedLsn: undefined,
      startedAt: 'x',
      address: undefined,
      port: undefined,
      backendPid: undefined,
      sessionPid: undefined,
      lsn: 0x16b374d848n,
      replayPaused: false,
    })
  })

  it.each<[unknown, unknown, number | undefined, number | undefined]>([
    [17, -398096916, 17, -398096916],
    ['17', 17, 17, 17],
    [null, 0, undefined, undefined],
  ])('reads process ids %j and %j', (backend, session, backendPid, sessionPid) => {
    const facts = readProbe(
      { rows: [{ in_recovery: false, backend_pid: backend }] },
      session as number,
    )
    expect(facts).toMatchObject({ backendPid, sessionPid })
  })

  it('does not guess a role', () => {
    expect(() => readProbe({ rows: [] })).toThrow(TypeError)
    expect(() => readProbe({ rows: [{ in_recovery: null }] })).toThrow(/in recovery/)
  })

  it('reads the upper half of timelines, which int shows as negative', () => {
    expect(readProbe({ rows: [{ in_recovery: false, timeline: -1 }] }).timeline).toBe(0xffffffff)
    expect(readProbe({ rows: [{ in_recovery: false, timeline: 0 }] }).timeline).toBeUndefined()
  })

  it.each(['', '1', 'x/y', '0/123456789', 5, null])('refuses %o as a position', (value) => {
    expect(readLsn(value)).toBeUndefined()
  })
})

describe('what a failed probe says', () => {
  const coded = (code: string): Error => Object.assign(new Error(code), { code })
  const connect = (cause: unknown, sqlState?: string): ConnectError =>
    new ConnectError('cannot connect', { endpoint, cause, sqlState })
  const database = (code: string, severity = 'ERROR'): DatabaseError =>
    new DatabaseError('refused', { code, severity })

  it.each([
    ['a closed port', connect(coded('ECONNREFUSED')), 'refused'],
    ['a missing socket file', connect(coded('ENOENT')), 'refused'],
    [
      'every address of a name closed',
      connect(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')])),
      'refused',
    ],
    [
      'one address closed and one silent',
      connect(new AggregateError([coded('ECONNREFUSED'), coded('ETIMEDOUT')])),
      'failed',
    ],
    ['a reset', connect(coded('ECONNRESET')), 'failed'],
    ['an unknown name', connect(coded('ENOTFOUND')), 'failed'],
    ['a lack of file descriptors in our own process', connect(coded('EMFILE')), 'busy'],
    ['a server that is starting up', connect(undefined, '57P03'), 'starting'],
    ['too many connections', connect(undefined, '53300'), 'busy'],
    [
      'a session that was terminated',
      new ConnectionLostError('x', { executed: 'unknown', sqlState: '57P01' }),
      'failed',
    ],
    ['a session that was lost', new ConnectionLostError('x', { executed: 'unknown' }), 'failed'],
    ['a closed pool', new PoolClosedError('a'), 'refused'],
    ['a role that is changing', database('55000'), 'busy'],
    ['a statement timeout', database('57014'), 'busy'],
    ['a database without the right to connect', connect(undefined, '42501'), 'denied'],
    ['a hidden function', database('42501'), 'denied'],
    ['a missing function', database('42883'), 'denied'],
    [
      'a wrong password',
      new AuthenticationError('x', { endpoint, sqlState: '28P01', fatal: true }),
      'denied',
    ],
    [
      'a missing database',
      new ConnectError('x', { endpoint, sqlState: '3D000', fatal: true }),
      'denied',
    ],
    ['something odd', 'odd', 'failed'],
  ])('%s', (_title, error, kind) => {
    expect(findingOf(error).kind).toBe(kind)
  })

  it('says what to do where functions are hidden', () => {
    const finding = findingOf(database('42501'))
    expect(finding).toMatchObject({ error: { message: /fence: "off"/ } })
  })
})
