import { describe, expect, test } from 'vitest'
import { toUnansweredError } from '../../../src/net/frames/server-error.js'
import { DatabaseError } from '../../../src/outcome/database-error.js'
import {
  endsSession,
  isConflict,
  isRaisedByFunction,
  isRepeatable,
  lacksRelationFile,
  leavesCommitOpen,
  newsOf,
  refusesAsStandby,
  refusesWrites,
} from '../../../src/outcome/error-meaning.js'
import {
  AcquireTimeoutError,
  AuthenticationError,
  ConnectError,
  ConnectionLostError,
  PoolDeadlockError,
  PoolOverloadedError,
} from '../../../src/outcome/errors.js'
import { meaningOf, OUTCOME_RULES, type ServerWords } from '../../../src/outcome/sqlstate.js'

const RAISED = { routine: 'exec_stmt_raise', where: 'PL/pgSQL function f() line 1 at RAISE' }
const FOREIGN = [
  ...['08000', '08001', '08003', '08006', '08007', '08P01', '25006', '25P03', '25P04', '28000'],
  ...['28P01', '3D000', '40003', '53200', '53300', '53400', '57000', '57P01', '57P02', '57P03'],
  ...['57P04', '57P05', '58000', 'XX000', 'XX001'],
]

function said(code: string, severity: string, more: Partial<ServerWords> = {}): ServerWords {
  return { code, severity, message: 'm', ...more }
}

function error(code: string, severity = 'ERROR', more: Partial<ServerWords> = {}): DatabaseError {
  return new DatabaseError(more.message ?? 'm', { code, severity, ...more })
}

describe('an ERROR', () => {
  test.each(FOREIGN)(
    'T04: with code %s that a function raised fails its statement only',
    (code) => {
      const raised = error(code, 'ERROR', RAISED)
      expect(meaningOf(said(code, 'ERROR', RAISED))).toMatchObject({
        session: 'goes-on',
        executed: 'rolled-back',
        node: 'none',
        repeat: 'never',
      })
      expect(raised).toMatchObject({ executed: 'rolled-back', retryable: false })
      expect(endsSession(raised)).toBe(false)
      expect(newsOf(raised)).toBe('none')
      expect(isRepeatable(raised)).toBe(false)
    },
  )

  test.each([
    'PreventCommandIfReadOnly',
    'PreventCommandDuringRecovery',
    'replorigin_check_prerequisites',
    undefined,
  ])('T60: 25006 reported by %s is the word of the server itself', (routine) => {
    const refused = error('25006', 'ERROR', { routine, where: 'PL/pgSQL function f() line 3' })
    expect(refused).toMatchObject({ executed: 'no', retryable: true })
    expect(refusesWrites(refused)).toBe(true)
    expect(endsSession(refused)).toBe(false)
    expect(isRepeatable(refused)).toBe(true)
    // There the transaction refuses it, wherever it runs.
    expect(isRepeatable(refused, true)).toBe(false)
  })

  test.each(['exec_stmt_raise', 'pgfdw_report_error', 'dblink_res_error', 'PLy_elog_impl'])(
    'T60: 25006 reported by %s is not',
    (routine) => {
      expect(refusesWrites(error('25006', 'ERROR', { routine }))).toBe(false)
    },
  )

  test.each([
    ['0A000', 'get_relation_info'],
    ['0A000', 'GetSerializableTransactionSnapshot'],
    ['0A000', 'call_enum_check_hook'],
    ['0A000', 'call_bool_check_hook'],
    ['55000', 'pg_current_wal_lsn'],
    ['55000', 'gin_clean_pending_list'],
    ['55000', 'LockAcquireExtended'],
  ])(
    'T62: %s reported by %s, inside a function too, is said by standbys alone',
    (code, routine) => {
      for (const where of [undefined, 'PL/pgSQL function f() line 3']) {
        const refused = error(code, 'ERROR', { routine, where, message: 'auf Deutsch' })
        expect(refused).toMatchObject({ executed: 'no', retryable: true })
        expect(refusesAsStandby(refused)).toBe(true)
        expect(refusesWrites(refused)).toBe(false)
        // The primary does it in a read-only transaction as well.
        expect(isRepeatable(refused, true)).toBe(true)
      }
    },
  )

  test.each([
    ['0A000', 'cannot do it', 'ExecInitNode'],
    ['55000', 'recovery is not in progress', 'pg_promote'],
    ['55000', 'currval of sequence "s" is not yet defined in this session', 'currval_oid'],
    ['55000', 'recovery is in progress', 'exec_stmt_raise'],
    ['22023', 'cannot be executed during recovery', 'f'],
  ])('T62: %s "%s" reported by %s is not', (code, message, routine) => {
    const where = routine === 'exec_stmt_raise' ? RAISED.where : undefined
    const refused = error(code, 'ERROR', { message, routine, where })
    expect(refusesAsStandby(refused)).toBe(false)
    expect(refused).toMatchObject({ executed: 'rolled-back', retryable: false })
  })

  test('T62: of an extension counts as a refusal by a standby if its message says so', () => {
    const message = 'this cannot be done during recovery'
    expect(refusesAsStandby(error('0A000', 'ERROR', { message, routine: 'ext' }))).toBe(true)
    expect(refusesAsStandby(error('0A000', 'ERROR', { message, ...RAISED }))).toBe(false)
    expect(refusesAsStandby(error('0A000', 'FATAL', { message, routine: 'ext' }))).toBe(false)
  })

  test.each(['GetNewObjectId', 'GetNewTransactionId', 'GetNewMultiXactId', 'XLogBeginInsert'])(
    'T62: XX000 reported by %s is a write on a standby',
    (routine) => {
      expect(refusesWrites(error('XX000', 'ERROR', { routine }))).toBe(true)
      expect(refusesWrites(error('XX000', 'ERROR', RAISED))).toBe(false)
    },
  )

  test('T62: about the file of a relation is recognised by the routine that reports it', () => {
    expect(lacksRelationFile(error('58P01', 'ERROR', { routine: 'mdopenfork' }))).toBe(true)
    expect(lacksRelationFile(error('58P01', 'ERROR', { routine: 'read_binary_file' }))).toBe(false)
    expect(isRaisedByFunction(error('58P01', 'ERROR', RAISED))).toBe(true)
    expect(isRaisedByFunction(error('58P01', 'ERROR', { routine: 'mdopenfork' }))).toBe(false)
  })

  test.each(['40001', '40P01', '55P03'])(
    '%s is a conflict, whichever routine reports it',
    (code) => {
      for (const more of [{}, RAISED]) {
        expect(isConflict(error(code, 'ERROR', more))).toBe(true)
        expect(error(code, 'ERROR', more)).toMatchObject({
          executed: 'rolled-back',
          retryable: true,
        })
      }
    },
  )

  test.each([
    ['40003', true],
    ['08007', true],
    ['08006', false],
    ['23505', false],
    ['40001', false],
  ])('%s at COMMIT leaves its outcome open: %s', (code, open) => {
    expect(leavesCommitOpen(error(code))).toBe(open)
  })
})

describe('the last words of a session', () => {
  const lost = (words: DatabaseError): unknown => toUnansweredError(words, new Error('end'), true)

  test.each([
    ['57P05', 'FATAL', {}, 'no'],
    ['25P03', 'FATAL', {}, 'no'],
    ['57P05', 'FATAL', RAISED, 'unknown'],
    ['25P04', 'FATAL', {}, 'unknown'],
    ['57P01', 'FATAL', {}, 'unknown'],
    ['57P02', 'PANIC', {}, 'unknown'],
    ['57P03', 'FATAL', {}, 'unknown'],
    ['53300', 'FATAL', {}, 'unknown'],
    ['XX000', 'FATAL', {}, 'unknown'],
    ['08P01', 'FATAL', { message: 'query_wait_timeout' }, 'no'],
    ['08P01', 'ERROR', { message: 'query_wait_timeout' }, 'no'],
    ['08P01', 'ERROR', { message: 'query_wait_timeout', ...RAISED }, 'rolled-back'],
    ['08P01', 'ERROR', { message: 'server conn crashed?' }, 'unknown'],
    ['23505', 'ERROR', { routine: '_bt_check_unique' }, 'rolled-back'],
  ] as const)(
    'T04: %s %s %o leaves work without an answer as %s',
    (code, severity, more, executed) => {
      expect(lost(error(code, severity, more))).toMatchObject({ executed })
    },
  )

  test('prove that the server read nothing of what was sent after them', () => {
    const idle = error('57P05', 'FATAL')
    expect(toUnansweredError(undefined, idle, true)).toMatchObject({
      name: 'ConnectionLostError',
      executed: 'no',
      sqlState: '57P05',
    })
  })

  test.each([
    ['57P05', 'none'],
    ['25P03', 'none'],
    ['25P04', 'none'],
    ['57P04', 'none'],
    ['40001', 'none'],
    ['57P01', 'going-down'],
    ['57P02', 'going-down'],
    ['53200', 'short'],
    ['08006', 'suspect'],
    ['XX000', 'suspect'],
    [undefined, 'suspect'],
  ])('%s say about the server: %s', (sqlState, news) => {
    const end = new ConnectionLostError('x', { executed: 'unknown', sqlState })
    expect(newsOf(end)).toBe(news)
    expect(endsSession(end)).toBe(true)
    if (sqlState === undefined) return
    expect(newsOf(error(sqlState, 'FATAL', RAISED))).toBe(news)
    expect(endsSession(error(sqlState, 'FATAL'))).toBe(true)
  })
})

describe('a refused log-in', () => {
  test.each([
    ['57P03', 'starting'],
    ['53300', 'full'],
    ['53400', 'full'],
    ['53200', 'short'],
    ['57P01', 'going-down'],
    ['XX000', 'suspect'],
    [undefined, 'suspect'],
  ])('with %s says about the server: %s', (sqlState, news) => {
    expect(newsOf(new ConnectError('x', { endpoint: 'e', sqlState }))).toBe(news)
  })

  const words = (code: string, more: Partial<ServerWords>): ConnectError =>
    new ConnectError('x', {
      endpoint: 'e',
      sqlState: code,
      cause: Object.assign(new Error(more.message ?? 'x'), { code, severity: 'FATAL', ...more }),
    })

  test.each([
    ['3D000', {}, 'none'],
    ['42501', { routine: 'CheckMyDatabase' }, 'none'],
    ['55000', { routine: 'CheckMyDatabase' }, 'none'],
    ['XX000', { routine: 'CheckMyDatabase' }, 'none'],
    ['22023', { routine: 'parse_and_validate_value' }, 'none'],
    ['42704', { routine: 'set_config_option' }, 'none'],
    ['0A000', { routine: 'SetClientEncoding' }, 'none'],
    ['57P04', { routine: 'ProcessInterrupts' }, 'none'],
    ['40001', { routine: 'ProcessInterrupts' }, 'none'],
    ['25006', { routine: 'PreventCommandIfReadOnly', where: 'PL/pgSQL function f()' }, 'none'],
    ['XX000', { routine: 'exec_stmt_raise', where: 'PL/pgSQL function f()' }, 'none'],
    ['57014', { routine: 'ProcessInterrupts', where: 'PL/pgSQL function f()' }, 'none'],
    ['57014', { routine: 'ProcessInterrupts' }, 'suspect'],
    ['53300', { routine: 'InitializeSessionUserId' }, 'limited'],
    ['53300', { routine: 'CheckMyDatabase' }, 'limited'],
    ['53300', { routine: 'InitProcess' }, 'full'],
    ['53300', {}, 'full'],
    ['08P01', { message: 'no such database: x' }, 'none'],
    ['08P01', { message: 'unsupported startup parameter: options' }, 'none'],
    ['08P01', { message: 'pgbouncer cannot connect to server' }, 'suspect'],
    ['XX000', { message: 'Tenant or user not found' }, 'none'],
    ['XX000', { routine: 'RelationMapInvalidate' }, 'suspect'],
    ['58030', { routine: 'mdread' }, 'suspect'],
  ] as const)('T54: with %s %o says about the server: %s', (code, more, news) => {
    expect(newsOf(words(code, more))).toBe(news)
  })

  test('is news of the server only as an error that tells of one', () => {
    expect([newsOf(new Error('x')), newsOf('x'), newsOf(undefined)]).toEqual(Array(3).fill('none'))
  })

  test('is no fault of the server when it is about the user or the database', () => {
    const details = { endpoint: 'e', fatal: true }
    expect(newsOf(new AuthenticationError('x', { ...details, sqlState: '28P01' }))).toBe('none')
    expect(newsOf(new ConnectError('x', { ...details, sqlState: '3D000' }))).toBe('none')
  })
})

describe('a transaction that may be repeated', () => {
  const gauges = {
    pool: 'other',
    endpoint: 'e',
    total: 1,
    idle: 0,
    leased: 1,
    connecting: 0,
    pending: 0,
    max: 1,
  }

  test.each([
    ['a deadlock', error('40P01'), true],
    ['a lost connection that undid everything', lostWith('rolled-back'), true],
    ['a lost connection before anything was sent', lostWith('no'), true],
    ['a lost connection that left something open', lostWith('unknown'), false],
    ['T18: no connection in time', new AcquireTimeoutError(1, gauges), false],
    ['T18: an overloaded pool', new PoolOverloadedError('full', gauges), false],
    ['T18: a pool that is deadlocked', new PoolDeadlockError('other', '', ''), false],
    ['T18: a connection that cannot be opened', new ConnectError('x', { endpoint: 'e' }), false],
    ['a duplicate key', error('23505'), false],
    ['an error of the application', new Error('x'), false],
  ])('%s', (_title, reason, repeatable) => {
    expect(isRepeatable(reason)).toBe(repeatable)
  })

  function lostWith(executed: 'no' | 'rolled-back' | 'unknown'): ConnectionLostError {
    return new ConnectionLostError('x', { executed })
  }
})

test('there is a rule for every code in each kind of answer', () => {
  for (const severity of ['ERROR', 'FATAL', 'PANIC', 'FEHLER', '']) {
    for (const occasion of ['log-in', 'statement', 'commit'] as const) {
      expect(meaningOf(said('ZZZZZ', severity), occasion)).toBeDefined()
    }
  }
  for (const rule of OUTCOME_RULES) {
    expect(rule.only === undefined).toBe(rule.applies === undefined)
  }
})
