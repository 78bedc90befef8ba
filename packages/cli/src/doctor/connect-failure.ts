import { AuthenticationError, ConnectError } from '@poolhouse/core'
import { messageOf } from '@poolhouse/core/kit'
import type { CheckName, Report } from './finding.js'

interface Failure {
  readonly check: CheckName
  readonly advice: string
}

const UNKNOWN_NAME: Failure = {
  check: 'dns',
  advice: 'correct the host name, or ask the name server of this machine for it: getent hosts NAME',
}
const UNREACHABLE: Failure = {
  check: 'network',
  advice: 'start the server, or correct host and port; look at listen_addresses and firewalls',
}
const BY_CODE: Readonly<Record<string, Failure>> = {
  ENOTFOUND: UNKNOWN_NAME,
  EAI_AGAIN: UNKNOWN_NAME,
}
const BY_SQLSTATE: Readonly<Record<string, Failure>> = {
  '3D000': {
    check: 'database',
    advice: 'create the database, or correct its name; psql -l lists what is there',
  },
  '53300': {
    check: 'max-connections',
    advice:
      'make the pools smaller or max_connections larger, or find out what holds the connections',
  },
  '57P03': {
    check: 'recovery',
    advice: 'wait until the server has started; its log says how far it is',
  },
}
const NO_TLS_THERE: Failure = {
  check: 'tls',
  advice: 'turn ssl on at the server; if the network in between is trusted, say sslmode=disable',
}
const TLS_DEMANDED: Failure = {
  check: 'tls',
  advice:
    'leave sslmode=disable out of the URL (ssl: false of the connection), or change the hostssl line of pg_hba.conf',
}
const UNTRUSTED: Failure = {
  check: 'tls',
  advice:
    'give the certificate of the authority: sslrootcert=FILE in the URL, or connection.ssl.ca',
}
const REFUSED: Failure = {
  check: 'auth',
  advice:
    'correct user and password; pg_hba.conf of the server decides who may log in from where, and how',
}

/** Reports why no connection could be opened. */
export function reportFailure(error: unknown, report: Report): void {
  const { check, advice } = failureOf(error)
  report('error', check, messageOf(error), advice)
}

/** Whether a certificate was refused, on whichever side, because of its dates. */
export function isAboutDates(error: unknown): boolean {
  return (
    error instanceof ConnectError && /certificate.*(?:expired|not valid yet)/.test(error.message)
  )
}

function failureOf(error: unknown): Failure {
  const message = messageOf(error)
  if (/no encryption|SSL off/.test(message)) return TLS_DEMANDED
  if (error instanceof AuthenticationError) return REFUSED
  if (error instanceof ConnectError) {
    const known = BY_SQLSTATE[error.sqlState ?? ''] ?? BY_CODE[codeOf(error.cause) ?? '']
    if (known !== undefined) return known
    if (/connection\.ssl demands it|needs PostgreSQL 17/.test(message)) return NO_TLS_THERE
    if (/certificate|TLS/.test(message)) return UNTRUSTED
    if (error.sqlState !== undefined) {
      return { check: 'auth', advice: 'the log of the server says more about its refusal' }
    }
  }
  return UNREACHABLE
}

/** The code of the error underneath; of several addresses that failed, that of the first. */
function codeOf(cause: unknown): string | undefined {
  const { code, errors } = (cause ?? {}) as { code?: string; errors?: readonly unknown[] }
  return code ?? (errors?.[0] === undefined ? undefined : codeOf(errors[0]))
}
