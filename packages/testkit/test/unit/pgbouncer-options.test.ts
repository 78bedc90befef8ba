import { describe, expect, it } from 'vitest'
import { configurationText, usersText } from '../../src/programs/pgbouncer/configuration.js'
import {
  type PgBouncerOptions,
  resolvePgBouncerOptions,
} from '../../src/programs/pgbouncer/pgbouncer-options.js'

const target = 'postgres://app:p%40ss%20%22w0rd%22@127.0.0.1:5432/app'
const admin = { user: 'admin', password: 'secret' }
const resolve = (options: object) =>
  resolvePgBouncerOptions({ target, ...options } as PgBouncerOptions)

describe('the options of startPgBouncer', () => {
  it('have defaults for everything but the target', () => {
    expect(resolve({})).toEqual({
      target: {
        host: '127.0.0.1',
        port: 5432,
        user: 'app',
        password: 'p@ss "w0rd"',
        database: 'app',
      },
      poolMode: 'transaction',
      poolSize: 5,
      tls: false,
      auth: 'trust',
      settings: {},
    })
  })

  it.each([
    [{ target: 5 }, /target must be a connection URL/],
    [{ target: 'postgres://127.0.0.1/app' }, /target must name one host, a user and a database/],
    [{ target: 'postgres://app@a,b/app' }, /target must name one host/],
    [{ poolMode: 'sessions' }, /poolMode must be .*"sessions"/],
    [{ poolSize: 0 }, /poolSize must be .*0/],
    [{ tls: 'yes' }, /tls must be .*"yes"/],
    [{ auth: 'plain' }, /auth must be .*"plain"/],
    [{ settings: { 'a b': 1 } }, /settings\.a b must be the name of a setting/],
    [{ settings: { a: 'x\ny' } }, /settings\.a must be .* one line/],
    [{ size: 1 }, /size/],
  ])('refuse %j, naming the option', (options, message) => {
    expect(() => resolve(options)).toThrow(message)
  })

  it('never show the password of the target', () => {
    const url = 'postgres://app:hidden@a,b/app'
    expect(() => resolve({ target: url })).toThrow(/^(?!.*hidden)/)
  })
})

describe('the configuration of a PgBouncer', () => {
  it('holds the mode, the size and the method by the names that PgBouncer has for them', () => {
    const options = resolve({ poolMode: 'session', poolSize: 3, auth: 'password' })
    const text = configurationText(options, '/home', 6000, admin)
    expect(text).toContain('\npool_mode = session\n')
    expect(text).toContain('\ndefault_pool_size = 3\n')
    expect(text).toContain('\nauth_type = plain\n')
    expect(text).toContain("\n* = host='127.0.0.1' port=5432\n")
  })

  it('lets further settings win, but not over the port', () => {
    const options = resolve({ settings: { max_client_conn: 7, listen_port: 1 } })
    const text = configurationText(options, '/home', 6000, admin)
    expect(text).toContain('\nmax_client_conn = 7\n')
    expect(text).toContain('\nlisten_port = 6000\n')
    expect(text).not.toContain('listen_port = 1\n')
  })

  it('quotes names and passwords of users', () => {
    expect(usersText(resolve({}), admin)).toBe('"app" "p@ss ""w0rd"""\n"admin" "secret"\n')
  })
})
