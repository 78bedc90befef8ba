import { describe, expect, it } from 'vitest'
import { planTls } from '../../../../src/net/socket/tls-plan.js'
import type { ConnectionSettings } from '../../../../src/settings/connection-settings.js'
import type { SslSettings } from '../../../../src/settings/ssl-settings.js'
import { settingsFor } from '../../../settings-for.js'

const settings = (ssl: SslSettings, host = 'db.example.com'): ConnectionSettings =>
  settingsFor(host, ssl)

describe('planTls', () => {
  it('is undefined for disable and for Unix sockets', () => {
    expect(planTls(settings({ mode: 'disable' }))).toBeUndefined()
    expect(planTls(settings({ mode: 'verify-full' }, '/run/pg'))).toBeUndefined()
  })

  it('falls back to plain text only for prefer', () => {
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
  it('names its protocol only when TLS comes first, which no server before PostgreSQL 17 knows', () => {
    const direct = planTls(settings({ mode: 'require', negotiation: 'direct' }))
    expect(direct).toMatchObject({ direct: true, options: { ALPNProtocols: ['postgresql'] } })
    const asked = planTls(settings({ mode: 'require', negotiation: 'postgres' }))
    expect(asked?.direct).toBe(false)
    expect(asked?.options).not.toHaveProperty('ALPNProtocols')
  })

  it('passes on the certificate of the client, its key and the passphrase of the key', () => {
    const ssl: SslSettings = { mode: 'require', cert: 'c', key: Buffer.from('k'), passphrase: 'p' }
    expect(planTls(settings(ssl))?.options).toMatchObject({
      cert: 'c',
      key: Buffer.from('k'),
      passphrase: 'p',
    })
  })
})
