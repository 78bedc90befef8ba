import { ConnectionSettings, type SslSettings } from '@poolhouse/core'
import { describe, expect, it } from 'vitest'
import { startupOptions } from '../../src/connect.js'
import { targetOf } from '../../src/socket.js'
import { planTls } from '../../src/tls.js'

const settings = (ssl: SslSettings, host = 'db.example.com'): ConnectionSettings =>
  new ConnectionSettings({
    endpoint: { host, port: 5432, database: 'app' },
    user: 'app',
    password: undefined,
    applicationName: 'test',
    ssl,
    parameters: {},
  })

describe('startupOptions', () => {
  it('escapes white space and backslashes as the command line of the server takes them', () => {
    expect(startupOptions({ search_path: 'a, "b c"', note: 'x\\y\tz' })).toBe(
      '-c search_path=a,\\ "b\\ c" -c note=x\\\\y\\\tz',
    )
  })

  it('leaves out application_name, which has a place of its own, and is undefined when nothing is left', () => {
    expect(startupOptions({ application_name: 'a' })).toBeUndefined()
    expect(startupOptions({})).toBeUndefined()
  })
})

describe('targetOf', () => {
  it('makes a socket path of a directory', () => {
    expect(targetOf({ host: '/run/pg', port: 6432, database: 'a' })).toEqual({
      path: '/run/pg/.s.PGSQL.6432',
    })
    expect(targetOf({ host: 'db', port: 6432, database: 'a' })).toEqual({ host: 'db', port: 6432 })
  })
})

describe('planTls', () => {
  it('is nothing for disable and for Unix sockets', () => {
    expect(planTls(settings({ mode: 'disable' }))).toBeUndefined()
    expect(planTls(settings({ mode: 'verify-full' }, '/run/pg'))).toBeUndefined()
  })

  it('goes on without TLS only for prefer', () => {
    const optional = (mode: SslSettings['mode']) => planTls(settings({ mode }))?.optional
    expect(optional('prefer')).toBe(true)
    expect(optional('require')).toBe(false)
    expect(optional('verify-ca')).toBe(false)
    expect(optional('verify-full')).toBe(false)
  })

  it('sends SNI for names and never for addresses, which are still checked', () => {
    expect(planTls(settings({ mode: 'verify-full' }))?.options).toMatchObject({
      servername: 'db.example.com',
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
    })
    for (const address of ['10.0.0.1', '::1']) {
      const options = planTls(settings({ mode: 'verify-full' }, address))?.options
      expect(options).not.toHaveProperty('servername')
      expect(options).toMatchObject({ host: address })
    }
    const named = planTls(settings({ mode: 'verify-full', serverName: 'x.test' }, '10.0.0.1'))
    expect(named?.options).toMatchObject({ servername: 'x.test' })
  })

  it('checks the name only for verify-full', () => {
    const options = (ssl: SslSettings) => planTls(settings(ssl))?.options
    expect(options({ mode: 'verify-full' })?.checkServerIdentity).toBeUndefined()
    expect(options({ mode: 'verify-ca' })).toMatchObject({ rejectUnauthorized: true })
    expect(options({ mode: 'verify-ca' })?.checkServerIdentity?.('x', {} as never)).toBeUndefined()
    expect(options({ mode: 'require' })).toMatchObject({ rejectUnauthorized: false })
    expect(options({ mode: 'require', ca: 'pem' })).toMatchObject({ rejectUnauthorized: true })
  })
})
