import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { Admission } from '../../../src/server/admission.js'

interface Request {
  readonly from?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly search?: string
}

function judge(token: string | undefined, { from, headers, search = '' }: Request) {
  const request = {
    socket: { remoteAddress: from },
    headers: { host: 'localhost:8080', ...headers },
  } as unknown as IncomingMessage
  return new Admission(token).judge(request, new URLSearchParams(search))
}

describe('without a token', () => {
  test.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])('admits %s', (from) => {
    expect(judge(undefined, { from })).toEqual({ admitted: true })
  })

  test.each(['10.0.0.7', '192.168.0.1', '::ffff:10.0.0.7', 'fe80::1', '1127.0.0.1', undefined])(
    'refuses %s',
    (from) => {
      expect(judge(undefined, { from })).toMatchObject({ admitted: false, status: 403 })
    },
  )

  test.each(['localhost', 'LOCALHOST:80', 'app.localhost:3000', '127.0.0.1:80', '[::1]:80'])(
    'admits the name %s',
    (host) => {
      expect(judge(undefined, { from: '::1', headers: { host } })).toEqual({ admitted: true })
    },
  )

  // A page of another site can have its own name resolve to 127.0.0.1.
  test.each(['', 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.7'])(
    'refuses the name "%s"',
    (host) => {
      expect(judge(undefined, { from: '127.0.0.1', headers: { host } })).toMatchObject({
        admitted: false,
        status: 403,
        reason: expect.stringContaining('give createDashboard a token'),
      })
    },
  )

  test.each(['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'])(
    'refuses what a proxy has passed on with the header %s',
    (name) => {
      const headers = { [name]: 'anything' }
      expect(judge(undefined, { from: '127.0.0.1', headers })).toMatchObject({
        admitted: false,
        status: 403,
      })
    },
  )
})

describe('with a token', () => {
  const TOKEN = 'a token; with, signs'

  test('admits a bearer from anywhere', () => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'x-forwarded-for': '1.2.3.4' }
    expect(judge(TOKEN, { from: '10.0.0.7', headers })).toEqual({ admitted: true })
  })

  test('refuses also the own machine without it: a proxy may stand there', () => {
    expect(judge(TOKEN, { from: '127.0.0.1' })).toMatchObject({ admitted: false, status: 401 })
  })

  test.each(['wrong', '', `${TOKEN} `, TOKEN.slice(1)])('refuses "%s" in each place', (wrong) => {
    const search = new URLSearchParams({ token: wrong }).toString()
    for (const request of [
      { search },
      { headers: { authorization: `Bearer ${wrong}x` } },
      { headers: { cookie: `poolhouse-12345678=${wrong}` } },
    ]) {
      const verdict = judge(TOKEN, { from: '10.0.0.7', ...request })
      expect(verdict).toMatchObject({ admitted: false, status: 401 })
      expect(JSON.stringify(verdict)).not.toContain(TOKEN)
    }
  })

  test('a token of base64 may stand in the address as it is', () => {
    const token = 'q+3/Zk+9=='
    expect(judge(token, { from: '10.0.0.7', search: `token=${token}` }).admitted).toBe(true)
    expect(judge(token, { from: '10.0.0.7', search: 'token=q 3/Zk-9==' }).admitted).toBe(false)
  })

  test('the token in the address becomes a cookie that does not hold it and no script can read', () => {
    const search = new URLSearchParams({ token: TOKEN }).toString()
    const verdict = judge(TOKEN, { from: '10.0.0.7', search })
    const cookie = verdict.admitted ? (verdict.cookie ?? '') : ''
    expect(cookie).toMatch(/^poolhouse-[\w-]{8}=[\w-]{43}; HttpOnly; SameSite=Strict$/)
    const [shown] = cookie.split(';')
    const headers = { cookie: `other=1; ${shown}; more=2` }
    expect(judge(TOKEN, { from: '10.0.0.7', headers })).toEqual({ admitted: true })
    expect(judge('another token', { from: '10.0.0.7', headers })).toMatchObject({ status: 401 })
  })

  test('behind TLS the cookie travels over TLS alone', () => {
    const search = new URLSearchParams({ token: TOKEN }).toString()
    const headers = { 'x-forwarded-proto': 'https' }
    expect(judge(TOKEN, { search, headers })).toMatchObject({
      cookie: expect.stringMatching(/; Secure$/),
    })
  })
})
