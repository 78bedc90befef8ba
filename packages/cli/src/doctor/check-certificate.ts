import { X509Certificate } from 'node:crypto'
import { serverCertificate } from '@poolhouse/core/net'
import type { TargetServer } from '../target/target.js'
import type { Report } from './finding.js'

/** When a certificate is valid. */
interface CertificateDates {
  readonly from: Date
  readonly to: Date
}

/** The certificates of a connection: the server's, and the client's if it has one. */
interface ShownCertificates {
  readonly server: CertificateDates | undefined
  /** Whether a connection verifies that of the server. */
  readonly isVerified: boolean
  readonly client: CertificateDates | undefined
}

interface LookOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const DAY_MS = 86_400_000
const SOON_DAYS = 21
const NEW_FOR_SERVER =
  'put a new certificate in place of ssl_cert_file and ssl_key_file of the server, and reload it: select pg_reload_conf(); sessions that are open go on'
const NEW_FOR_CLIENT =
  'have a new certificate issued, and give it as sslcert and sslkey in the URL, or connection.ssl.cert and key'
const CLOCK = 'look at the clocks of both machines, or at the date from which it was issued'

/**
 * Looks at the certificates of a connection, valid or not. What cannot be had is undefined: why a
 * server does not answer is told elsewhere.
 */
export async function lookAtCertificates(
  { connection }: TargetServer,
  { timeoutMs, signal }: LookOptions,
): Promise<ShownCertificates> {
  const { ssl } = connection
  const client = ssl ? datesOfPem(ssl.cert) : undefined
  try {
    const shown = await serverCertificate(connection, timeoutMs, signal)
    if (shown === undefined) return { server: undefined, isVerified: false, client }
    const { certificate, isVerified } = shown
    return { server: dates(certificate.valid_from, certificate.valid_to), isVerified, client }
  } catch {
    return { server: undefined, isVerified: false, client }
  }
}

/**
 * Reports certificates that are not valid now, or not for long. Returns whether one that is looked
 * at is not valid: no connection can be opened then.
 */
export function checkCertificates(
  { server, isVerified, client }: ShownCertificates,
  report: Report,
  now: number = Date.now(),
): boolean {
  // Where nothing is verified, a server works with any certificate.
  const isServerBad = checkDates("the server's certificate", server, NEW_FOR_SERVER, now, (bad) =>
    report(bad.isInvalid && isVerified ? 'error' : 'warning', 'tls', bad.message, bad.advice),
  )
  const isClientBad = checkDates('our own certificate', client, NEW_FOR_CLIENT, now, (bad) =>
    report(bad.isInvalid ? 'error' : 'warning', 'tls', bad.message, bad.advice),
  )
  return (isServerBad && isVerified) || isClientBad
}

interface BadDates {
  readonly isInvalid: boolean
  readonly message: string
  readonly advice: string
}

function checkDates(
  what: string,
  valid: CertificateDates | undefined,
  renew: string,
  now: number,
  tell: (bad: BadDates) => void,
): boolean {
  if (valid === undefined) return false
  const { from, to } = valid
  if (now < from.getTime()) {
    const message = `${what} is not valid before ${day(from)}, in ${days(from.getTime() - now)}`
    tell({ isInvalid: true, message, advice: CLOCK })
    return true
  }
  const leftMs = to.getTime() - now
  if (leftMs < 0) {
    const message = `${what} has expired on ${day(to)}, ${days(-leftMs)} ago`
    tell({ isInvalid: true, message, advice: renew })
    return true
  }
  if (leftMs < SOON_DAYS * DAY_MS) {
    const message = `${what} expires on ${day(to)}, in ${days(leftMs)}: no connection that verifies it can be opened then`
    tell({ isInvalid: false, message, advice: renew })
  }
  return false
}

function datesOfPem(pem: string | Uint8Array | undefined): CertificateDates | undefined {
  if (pem === undefined) return undefined
  try {
    const { validFrom, validTo } = new X509Certificate(pem)
    return dates(validFrom, validTo)
  } catch {
    // That it cannot be read is told by the connect.
    return undefined
  }
}

function dates(from: string, to: string): CertificateDates | undefined {
  const read = { from: new Date(from), to: new Date(to) }
  return Number.isNaN(read.from.getTime() + read.to.getTime()) ? undefined : read
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function days(ms: number): string {
  const count = Math.floor(ms / DAY_MS)
  if (count === 0) return 'less than a day'
  return `${count} day${count === 1 ? '' : 's'}`
}
