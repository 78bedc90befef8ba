import { describe, expect, it } from 'vitest'
import { acceptedAuth } from '../../../src/settings/auth-method.js'
import type { SslSettings } from '../../../src/settings/ssl-settings.js'
import { settingsFor } from '../../settings-for.js'

describe('acceptedAuth', () => {
  it('is SCRAM alone when a password would go to an unverified server', () => {
    const unverified: SslSettings[] = [
      { mode: 'disable' },
      { mode: 'prefer' },
      { mode: 'prefer', ca: 'pem' },
      { mode: 'require' },
    ]
    for (const ssl of unverified) {
      expect(acceptedAuth(settingsFor('db', ssl), 'secret', undefined)).toEqual(['scram-sha-256'])
    }
    const unix = settingsFor('/tmp', { mode: 'verify-full' })
    expect(acceptedAuth(unix, 'secret', undefined)).toEqual(['scram-sha-256'])
  })

  it('is any method when TLS verifies the server or there is no password', () => {
    const verified: SslSettings[] = [
      { mode: 'require', ca: 'pem' },
      { mode: 'verify-ca', ca: 'pem' },
      { mode: 'verify-ca', ca: new Uint8Array(1) },
      { mode: 'verify-full' },
    ]
    for (const ssl of verified) {
      expect(acceptedAuth(settingsFor('db', ssl), 'secret', undefined)).toBeUndefined()
    }
    expect(
      acceptedAuth(settingsFor('db', { mode: 'disable' }), undefined, undefined),
    ).toBeUndefined()
  })

  it('T30: is SCRAM alone when any certificate would be accepted', () => {
    const anyOwner: SslSettings[] = [
      { mode: 'verify-ca' },
      { mode: 'verify-ca', ca: '' },
      { mode: 'require', ca: '' },
      { mode: 'require', ca: new Uint8Array() },
    ]
    for (const ssl of anyOwner) {
      expect(acceptedAuth(settingsFor('db', ssl), 'secret', undefined)).toEqual(['scram-sha-256'])
    }
  })

  it('is what was asked for; the option overrides the URL', () => {
    const url = settingsFor('db', { mode: 'disable' }, { requireAuth: ['md5'] })
    expect(acceptedAuth(url, 'secret', undefined)).toEqual(['md5'])
    expect(acceptedAuth(url, 'secret', ['none'])).toEqual(['none'])
  })
})
