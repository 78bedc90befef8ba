import { describe, expect, it } from 'vitest'
import type { AuthMethod } from '../../../src/settings/auth-method.js'
import { acceptedAuth } from '../../../src/settings/auth-method.js'
import { ConnectionSettings } from '../../../src/settings/connection-settings.js'
import type { SslSettings } from '../../../src/settings/ssl-settings.js'

const settings = (
  ssl: SslSettings,
  requireAuth?: readonly AuthMethod[],
  host = 'db',
): ConnectionSettings =>
  new ConnectionSettings({
    endpoint: { host, port: 5432, database: 'app' },
    user: 'app',
    password: undefined,
    applicationName: 'test',
    ssl,
    parameters: {},
    requireAuth,
  })

describe('acceptedAuth', () => {
  it('is SCRAM alone when a password would go to a server that nothing verifies', () => {
    const unverified: SslSettings[] = [
      { mode: 'disable' },
      { mode: 'prefer' },
      { mode: 'prefer', ca: 'pem' },
      { mode: 'require' },
    ]
    for (const ssl of unverified) {
      expect(acceptedAuth(settings(ssl), 'secret', undefined)).toEqual(['scram-sha-256'])
    }
    const unix = settings({ mode: 'verify-full' }, undefined, '/tmp')
    expect(acceptedAuth(unix, 'secret', undefined)).toEqual(['scram-sha-256'])
  })

  it('is everything when TLS verifies the server or there is no password to lose', () => {
    const verified: SslSettings[] = [
      { mode: 'require', ca: 'pem' },
      { mode: 'verify-ca', ca: 'pem' },
      { mode: 'verify-ca', ca: new Uint8Array(1) },
      { mode: 'verify-full' },
    ]
    for (const ssl of verified) {
      expect(acceptedAuth(settings(ssl), 'secret', undefined)).toBeUndefined()
    }
    expect(acceptedAuth(settings({ mode: 'disable' }), undefined, undefined)).toBeUndefined()
  })

  it('T30: is SCRAM alone when any owner of a certificate would do', () => {
    const anyOwner: SslSettings[] = [
      { mode: 'verify-ca' },
      { mode: 'verify-ca', ca: '' },
      { mode: 'require', ca: '' },
      { mode: 'require', ca: new Uint8Array() },
    ]
    for (const ssl of anyOwner) {
      expect(acceptedAuth(settings(ssl), 'secret', undefined)).toEqual(['scram-sha-256'])
    }
  })

  it('is what was asked for, the option before the URL', () => {
    const url = settings({ mode: 'disable' }, ['md5'])
    expect(acceptedAuth(url, 'secret', undefined)).toEqual(['md5'])
    expect(acceptedAuth(url, 'secret', ['none'])).toEqual(['none'])
  })
})
