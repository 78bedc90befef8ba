import { describe, expect, it } from 'vitest'
import { ConnectionLostError, DatabaseError } from '../../../../src/index.js'
import {
  isServerError,
  toDatabaseError,
  toLostError,
} from '../../../../src/net/frames/server-error.js'

const serverError = (fields: Record<string, string>) =>
  Object.assign(new Error('message'), { severity: 'ERROR', code: '22012', ...fields })

describe('isServerError', () => {
  it('distinguishes errors of the server from those of sockets and of pg', () => {
    expect(isServerError(serverError({}))).toBe(true)
    expect(isServerError(Object.assign(new Error('x'), { code: 'ECONNRESET' }))).toBe(false)
    expect(isServerError(Object.assign(new Error('x'), { code: 'EPIPE' }))).toBe(false)
    expect(isServerError(new Error('x'))).toBe(false)
    expect(isServerError(undefined)).toBe(false)
    expect(isServerError({ severity: 'ERROR', code: '22012' })).toBe(false)
  })
})

describe('toDatabaseError', () => {
  it('copies the fields and turns the position into a number', () => {
    const cause = serverError({ position: '12', detail: 'd', hint: 'h', dataType: 'int4' })
    const error = toDatabaseError(cause, true)
    expect(error).toMatchObject({
      code: '22012',
      position: 12,
      detail: 'd',
      hint: 'h',
      dataType: 'int4',
    })
    expect(error.cause).toBe(cause)
    expect(toDatabaseError(serverError({}), true).position).toBeUndefined()
  })

  it('takes the severity from the protocol when the server words it in another language', () => {
    const german = serverError({ severity: 'FEHLER' })
    expect(toDatabaseError(german, true)).toMatchObject({
      severity: 'ERROR',
      executed: 'rolled-back',
    })
    expect(toDatabaseError(german, false)).toMatchObject({ severity: 'FATAL', executed: 'unknown' })
    expect(toDatabaseError(serverError({ severity: 'PANIC' }), false).severity).toBe('PANIC')
  })
})

describe('toLostError', () => {
  it('carries the SQLSTATE of what ended the session, and the error of pg as its cause', () => {
    const cause = serverError({ severity: 'FATAL', code: '57P01' })
    const error = toLostError(toDatabaseError(cause, false), 'unknown')
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error).toMatchObject({ sqlState: '57P01', executed: 'unknown', retryable: false })
    expect(error.cause).toBe(cause)
    expect(error.message).toBe(
      'the connection was lost before the server answered: message; see POOLHOUSE_CONNECTION_LOST',
    )
  })

  it('accepts any reason', () => {
    expect(toLostError('it was closed', 'no')).toMatchObject({
      message:
        'the connection was lost before the statement was sent: it was closed; see POOLHOUSE_CONNECTION_LOST',
      retryable: true,
      sqlState: undefined,
    })
    expect(toLostError({ odd: true }, 'no').cause).toEqual({ odd: true })
    const database = new DatabaseError('gone', { code: '57P01', severity: 'FATAL' })
    expect(toLostError(database, 'no').cause).toBe(database)
  })
})
