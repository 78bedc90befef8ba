import type { ParameterReader } from './parameter-reader.js'
import type { SslMode, SslNegotiation, TlsVersion } from './ssl-settings.js'

/** The TLS parameters of a connection URL. */
export interface UrlSsl {
  /** `sslmode`. */
  readonly mode: SslMode | undefined
  /** `sslrootcert`, a file name. */
  readonly rootCertFile: string | undefined
  /** `sslcert`, a file name. */
  readonly certFile: string | undefined
  /** `sslkey`, a file name. */
  readonly keyFile: string | undefined
  /** `sslpassword`, that of the key. */
  readonly keyPassword: string | undefined
  /** `sslnegotiation`. */
  readonly negotiation: SslNegotiation | undefined
  /** `sslcrl`, a file name. */
  readonly crlFile?: string | undefined
  /** `sslsni`. */
  readonly sni?: boolean | undefined
  /** `ssl_min_protocol_version`. */
  readonly minVersion?: TlsVersion | undefined
  /** `ssl_max_protocol_version`. */
  readonly maxVersion?: TlsVersion | undefined
}

/** What the parameters say about TLS; undefined if they say nothing. */
export function readSslParameters(parameters: ParameterReader): UrlSsl | undefined {
  const mode = readMode(parameters)
  const rootCertFile = parameters.get('sslrootcert')
  // As libpq: public authorities sign for every owner of a name, so they prove nothing without the
  // name.
  if (rootCertFile === 'system' && mode !== undefined && mode !== 'verify-full') {
    parameters.fail(`${parameters.said('sslrootcert')}=system needs sslmode=verify-full`)
  }
  const ownCertificate = parameters.get('sslcertmode') !== 'disable'
  const sni = parameters.flag('sslsni')
  const ssl: UrlSsl = {
    mode,
    rootCertFile,
    certFile: ownCertificate ? parameters.get('sslcert') : undefined,
    keyFile: ownCertificate ? parameters.get('sslkey') : undefined,
    keyPassword: ownCertificate ? parameters.get('sslpassword') : undefined,
    negotiation: parameters.get('sslnegotiation') as SslNegotiation | undefined,
    crlFile: parameters.get('sslcrl'),
    // What is the default says nothing.
    sni: sni === false ? false : undefined,
    ...readVersions(parameters),
  }
  return Object.values(ssl).every((value) => value === undefined) ? undefined : ssl
}

function readVersions(parameters: ParameterReader): Pick<UrlSsl, 'minVersion' | 'maxVersion'> {
  const min = parameters.get('ssl_min_protocol_version')
  const max = parameters.get('ssl_max_protocol_version')
  // Nothing below TLSv1.2 is ever spoken, so that an older minimum allows no more.
  const minVersion = min === 'TLSv1.3' ? min : undefined
  const maxVersion = max === 'TLSv1.2' ? max : undefined
  if (minVersion !== undefined && maxVersion !== undefined) {
    const names = ['ssl_min_protocol_version', 'ssl_max_protocol_version'] as const
    parameters.fail(
      `${parameters.said(names[0])} is above ${parameters.said(names[1])}, so that no version is left`,
    )
  }
  return { minVersion, maxVersion }
}

function readMode(parameters: ParameterReader): SslMode | undefined {
  const mode = withoutSslaccept(parameters)
  const accept = parameters.get('sslaccept')
  if (accept === undefined) return mode
  if (accept === 'strict') {
    return mode === 'disable' ? contradict(parameters, 'sslaccept=strict', mode) : 'verify-full'
  }
  if (mode === undefined) {
    parameters.fail(
      `${parameters.said('sslaccept')}=accept_invalid_certs needs sslmode=require, which says that TLS is not verified`,
    )
  }
  return mode.startsWith('verify-')
    ? contradict(parameters, 'sslaccept=accept_invalid_certs', mode)
    : mode
}

function withoutSslaccept(parameters: ParameterReader): SslMode | undefined {
  const [name, value] = parameters.oneOf('sslmode', 'requiressl') ?? []
  const mode = (name === 'requiressl' ? (value === '1' ? 'require' : 'prefer') : value) as
    | SslMode
    | undefined
  const ssl = parameters.get('ssl')
  if (ssl === undefined) return mode
  const wanted: SslMode =
    ssl === 'true' || ssl === '1'
      ? 'verify-full'
      : ssl === 'false' || ssl === '0'
        ? 'disable'
        : (ssl as SslMode)
  if (mode === undefined || mode === wanted) return wanted
  // `ssl=true` only says that there is TLS, and sslmode how.
  if (wanted === 'verify-full' && ssl !== wanted && mode !== 'disable') return mode
  return contradict(parameters, 'ssl', mode)
}

function contradict(parameters: ParameterReader, name: string, mode: SslMode): never {
  return parameters.fail(`${name} and sslmode=${mode} contradict each other; keep sslmode`)
}
