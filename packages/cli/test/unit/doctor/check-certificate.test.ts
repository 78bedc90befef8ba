import { expect, it } from 'vitest'
import { checkCertificates } from '../../../src/doctor/check-certificate.js'

const NOW = Date.parse('2026-06-15T12:00:00Z')
const DAY_MS = 86_400_000

function valid(fromDays: number, toDays: number) {
  return { from: new Date(NOW + fromDays * DAY_MS), to: new Date(NOW + toDays * DAY_MS) }
}

function told(certificates: Partial<Parameters<typeof checkCertificates>[0]>) {
  const findings: string[] = []
  const all = { server: undefined, isVerified: true, client: undefined, ...certificates }
  const isBad = checkCertificates(
    all,
    (severity, check, message, advice) => {
      expect(advice).not.toBe('')
      findings.push(`${severity} ${check} ${message}`)
    },
    NOW,
  )
  return { isBad, findings }
}

it.each([
  [valid(-10, 21.1), false, []],
  [
    valid(-10, 20.9),
    false,
    [
      "warning tls the server's certificate expires on 2026-07-06, in 20 days: no connection that verifies it can be opened then",
    ],
  ],
  [
    valid(-10, -1.5),
    true,
    ["error tls the server's certificate has expired on 2026-06-14, 1 day ago"],
  ],
  [
    valid(0.5, 10),
    true,
    ["error tls the server's certificate is not valid before 2026-06-16, in less than a day"],
  ],
])('tells when the certificate of a server is valid: %j', (server, isBad, findings) => {
  expect(told({ server })).toEqual({ isBad, findings })
})

it('a server whose certificate is not verified works after that, so it is no error', () => {
  const { findings } = told({ server: valid(-10, -2), isVerified: false })
  expect(findings).toEqual([
    "warning tls the server's certificate has expired on 2026-06-13, 2 days ago",
  ])
})

it('tells of the certificate of the client too', () => {
  expect(told({ server: valid(-1, 100), client: valid(-400, -35) })).toEqual({
    isBad: true,
    findings: ['error tls our own certificate has expired on 2026-05-11, 35 days ago'],
  })
})
