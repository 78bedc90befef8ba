import { createHmac, hash, pbkdf2Sync, randomInt } from 'node:crypto'
import { createPool, type Driver, type PasswordSource } from '@poolhouse/core'
import type { Cluster } from '@poolhouse/testkit'
import { describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'

/**
 * What SASLprep maps, normalizes, refuses or does not know, and what is one of those only in
 * company.
 */
const PIECES = [
  'a',
  'Z',
  '7',
  ' ',
  "'",
  '\t',
  '\u0001',
  '\u007F',
  '\u0085',
  '\u00A0',
  '\u00AA',
  '\u00AD',
  '½',
  'ﬁ',
  'Å',
  'e\u0301',
  '\u0301',
  'q\u0323\u0307',
  '\u034F',
  '\u0341',
  '\u0221',
  'א',
  'ש\u05C1',
  'ـ',
  '٣',
  'ﷺ',
  '\uFE76',
  '\u06DD',
  '\u1100\u1161\u11A8',
  '가\u11A8',
  '\u1806',
  '\u180E',
  '\u200B',
  '\u200D',
  '\u200F',
  '\u202E',
  '\u2028',
  '\u2060',
  '\u2126',
  '℡',
  'Ⅸ',
  '\u2FF0',
  '\u3000',
  'が',
  'か\u3099',
  'ｶﾞ',
  '㌖',
  '中',
  '\uE000',
  '\uF951',
  '\uFDD0',
  '\uFE0F',
  '\uFEFF',
  'Ａ',
  '\uFFFC',
  '\uFFFD',
  '\u{1D173}',
  '𝔘',
  '😀',
  '\u{2F868}',
  '\u{E0041}',
  '\u{1FFFE}',
  '\u{10FFFF}',
]

/** What was seen to fail with other clients, and each piece alone. */
const KINDS = [
  '½😀',
  '\u00A0😀',
  '\u00AD',
  '\u00ADa',
  'aא',
  'א½',
  'א1א',
  '½\u0007',
  'ÅÅ',
  ...PIECES,
]

function randomPassword(): string {
  const length = randomInt(1, 7)
  return Array.from({ length }, () => PIECES[randomInt(PIECES.length)]).join('')
}

/**
 * What `\password` of psql sends: the server never sees the password, and `prepared` is what
 * counts.
 */
function verifierOf(prepared: string): string {
  const salt = Buffer.from('0123456789abcdef')
  const salted = pbkdf2Sync(prepared, salt, 4_096, 32, 'sha256')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  const serverKey = createHmac('sha256', salted).update('Server Key').digest()
  const stored = hash('sha256', clientKey, 'base64')
  return `SCRAM-SHA-256$4096:${salt.toString('base64')}$${stored}:${serverKey.toString('base64')}`
}

describe.each(everyServer())('over $driver on PostgreSQL $version', ({ make, cluster }) => {
  const driver = make()

  it('T15: a password of any characters logs in, prepared as the server prepares it', async () => {
    const { primary, database } = await cluster()
    const login = loginTo(driver, primary.port, database)
    await primary.sql('create role strange login')
    const failed: string[] = []
    for (const password of [...KINDS, ...Array.from({ length: 60 }, randomPassword)]) {
      await primary.sql(`alter role strange password '${password.replaceAll("'", "''")}'`)
      const said = await login('strange', password)
      if (said !== 'in') failed.push(`${JSON.stringify(password)}: ${said}`)
    }
    expect(failed).toEqual([])
    await primary.sql('drop role strange')
  })

  it('T15: a password that was set as a verifier logs in, and one that differs from it does not', async () => {
    const { primary, database } = await cluster()
    const login = loginTo(driver, primary.port, database)
    await primary.sql(`create role verified login password '${verifierOf('IX')}'`)
    expect(await login('verified', 'Ⅸ')).toBe('in')
    expect(await login('verified', 'I\u00ADX')).toBe('in')
    expect(await login('verified', 'Ⅸ😀')).toBe('28P01')
    await primary.sql(`alter role verified password '${verifierOf('½😀')}'`)
    expect(await login('verified', '½😀')).toBe('in')
    expect(await login('verified', '1⁄2😀')).toBe('28P01')
    await primary.sql('drop role verified')
  })

  it('T15: a very long password and a user of the same characters log in', async () => {
    const { primary, database } = await cluster()
    const login = loginTo(driver, primary.port, database)
    const long = 'ﬁ\u00A0'.repeat(50_000)
    await primary.sql(`create role "½😀\u00AD" login password '${long}'`)
    expect(await login('½😀\u00AD', long)).toBe('in')
    expect(await login('½😀', long)).toBe('28P01')
    await primary.sql('drop role "½😀\u00AD"')
  })

  it('T15: a password or a user that cannot be encoded is refused with what is wrong, and never shown', async () => {
    const { primary, database } = await cluster()
    const login = loginTo(driver, primary.port, database)
    for (const [text, why] of [
      ['secret\uD83D', 'half of a surrogate pair'],
      ['secret\0', 'a NUL character'],
    ] as const) {
      const wrong = { host: 'localhost', user: 'app', password: text }
      expect(() => createPool({ driver, connection: wrong })).toThrow(
        new RegExp(`^createPool: connection\\.password contains ${why}`),
      )
      expect(() => createPool({ driver, connection: { ...wrong, user: text } })).toThrow(
        new RegExp(`^createPool: connection\\.user contains ${why}`),
      )
      expect(await login('app', () => text)).toMatch(new RegExp(`the password contains ${why}`))
      expect(await login('app', () => text)).not.toContain('secret')
    }
  })

  it('T15: an empty password is none, for the server and for the client', async () => {
    const { primary, database } = await cluster()
    const login = loginTo(driver, primary.port, database)
    await primary.sql(`create role empty login password ''`)
    expect(await login('empty', '')).toMatch(/asks for a password and none is given/)
    await primary.sql('drop role empty')
  })
})

type Login = (user: string, password: PasswordSource) => Promise<string>

/**
 * Logs in once, over a new pool. Resolves with `in`, the SQLSTATE of the refusal, or the message of
 * another error.
 */
function loginTo(driver: Driver, port: Cluster['primary']['port'], database: string): Login {
  return async (user, password) => {
    await using pool = createPool({
      driver,
      connection: { host: '127.0.0.1', port, user, password, database },
    })
    try {
      await pool.query('select 1')
      return 'in'
    } catch (error) {
      const { sqlState, message } = error as { sqlState?: string; message: string }
      return sqlState ?? message
    }
  }
}
