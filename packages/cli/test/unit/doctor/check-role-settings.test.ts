import { describe, expect, it } from 'vitest'
import { checkRoleSettings } from '../../../src/doctor/check-role-settings.js'

type Pool = Parameters<typeof checkRoleSettings>[2]

/** Whether a setting of the role is reported for a pool with these options. */
function hurts(name: string, value: string, pool: Pool = {}, unit?: string): boolean {
  const messages: string[] = []
  const setting = { name, value, unit, source: 'user' }
  checkRoleSettings([setting], 'app', pool, (_severity, _check, message) => {
    messages.push(message)
  })
  return messages.length > 0
}

describe('settings of a role', () => {
  it('hurt where the server cancels what the pool would let run', () => {
    expect(hurts('statement_timeout', '5000', {}, 'ms')).toBe(true)
    expect(hurts('statement_timeout', '60000', {}, 'ms')).toBe(false)
    expect(hurts('statement_timeout', '5000', { statementTimeoutMs: 5_000 }, 'ms')).toBe(false)
    expect(hurts('statement_timeout', '60000', { statementTimeoutMs: 0 }, 'ms')).toBe(true)
    expect(hurts('statement_timeout', '0', {}, 'ms')).toBe(false)
  })

  it('hurt where the server ends connections that the pool keeps idle', () => {
    expect(hurts('idle_session_timeout', '30000', {}, 'ms')).toBe(true)
    expect(hurts('idle_session_timeout', '300000', {}, 'ms')).toBe(false)
    expect(hurts('idle_session_timeout', '300000', { min: 1 }, 'ms')).toBe(true)
    expect(hurts('idle_session_timeout', '300000', { idleTimeoutMs: 0 }, 'ms')).toBe(true)
  })

  it('hurt where they change what statements mean or promise', () => {
    for (const [name, value] of [
      ['search_path', 'shop'],
      ['role', 'owner'],
      ['synchronous_commit', 'off'],
      ['default_transaction_read_only', 'on'],
      ['default_transaction_isolation', 'serializable'],
    ] as const) {
      expect(hurts(name, value), name).toBe(true)
    }
  })

  it('are left alone where they do none of that', () => {
    for (const [name, value] of [
      ['work_mem', '8192'],
      ['synchronous_commit', 'on'],
      ['default_transaction_read_only', 'off'],
      ['lock_timeout', '0'],
    ] as const) {
      expect(hurts(name, value), name).toBe(false)
    }
  })
})
