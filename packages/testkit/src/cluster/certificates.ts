import type { CertificateExtension } from 'selfsigned'
import type { CertificateTimes } from './cluster-options.js'

/** A throw-away certificate authority and a server certificate that it signed, all PEM. */
export interface Certificates {
  /** Certificate of the authority: what clients trust. */
  readonly ca: string
  /** Certificate of the server, valid for localhost, 127.0.0.1 and ::1. */
  readonly cert: string
  /** Private key of the server. */
  readonly key: string
}

const AUTHORITY: CertificateExtension[] = [
  { name: 'basicConstraints', cA: true, critical: true },
  { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
]

const SERVER: CertificateExtension[] = [
  { name: 'basicConstraints', cA: false, critical: true },
  { name: 'keyUsage', digitalSignature: true, critical: true },
  { name: 'extKeyUsage', serverAuth: true },
  {
    name: 'subjectAltName',
    altNames: [
      { type: 2, value: 'localhost' },
      { type: 7, ip: '127.0.0.1' },
      { type: 7, ip: '::1' },
    ],
  },
]

/**
 * Makes new certificates on elliptic keys. They are valid from an hour ago for a year, that of the
 * server at these times.
 */
export async function createCertificates({
  validFrom,
  validTo,
}: CertificateTimes = {}): Promise<Certificates> {
  // Loaded only here: it brings an ASN.1 library that clusters without TLS do not need.
  const { generate } = await import('selfsigned')
  // An hour back: containers and their hosts disagree about the time.
  const common = {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 3_600_000),
  } as const
  const authority = await generate([{ name: 'commonName', value: 'poolhouse test authority' }], {
    ...common,
    extensions: AUTHORITY,
  })
  const server = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...common,
    ...(validFrom && { notBeforeDate: validFrom }),
    ...(validTo && { notAfterDate: validTo }),
    extensions: SERVER,
    ca: { key: authority.private, cert: authority.cert },
  })
  return { ca: authority.cert, cert: server.cert, key: server.private }
}
