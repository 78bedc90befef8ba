import type { SslOptions } from '@poolhouse/core'
import { describeValue, refuseUnknownOptions } from '@poolhouse/core/kit'

const KNOWN: ReadonlySet<string> = new Set([
  'ca',
  'cert',
  'key',
  'passphrase',
  'rejectUnauthorized',
  'servername',
  'minVersion',
  'maxVersion',
  'sslnegotiation',
])

/**
 * What `pg` calls `ssl`, in words of ours. As in `pg`, TLS verifies certificate and name unless
 * `rejectUnauthorized` is false. Throws `TypeError` for options of `tls.connect()` that have no
 * counterpart.
 */
export function sslOf(
  where: string,
  ssl: unknown,
  negotiation: unknown,
): false | SslOptions | undefined {
  if (ssl === undefined || ssl === null || ssl === false) return ssl === false ? false : undefined
  const direct = negotiation === 'direct' ? ({ negotiation } as const) : {}
  if (ssl === true) return { mode: 'verify-full', ...direct }
  if (typeof ssl !== 'object') {
    throw new TypeError(
      `${where}: ssl must be a boolean or an object such as { ca }, got ${describeValue(ssl)}`,
    )
  }
  refuseUnknownOptions(`${where}: ssl`, ssl, KNOWN)
  const { ca, rejectUnauthorized, servername, ...rest } = ssl as Record<string, unknown>
  const { sslnegotiation: _, ...same } = rest
  const verifies = rejectUnauthorized !== false
  return {
    ...(same as SslOptions),
    mode: verifies ? 'verify-full' : 'require',
    // Given with `require` it would be verified all the same.
    ...(verifies && ca !== undefined && ca !== null && { ca: pemOf(where, ca) }),
    ...(servername !== undefined && { serverName: servername as string }),
    ...direct,
  }
}

/** One text of certificates, of which `tls.connect()` takes an array too. */
function pemOf(where: string, ca: unknown): string | Uint8Array {
  if (typeof ca === 'string' || ca instanceof Uint8Array) return ca
  if (!Array.isArray(ca)) {
    throw new TypeError(`${where}: ssl.ca must be PEM text, got ${describeValue(ca)}`)
  }
  return ca.map((one: unknown) => String(one)).join('\n')
}
