import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type DerElement, elementAt } from './der.js'

// Object identifiers in dotted form, as the certificate's DER holds them. Signatures over MD5 and
// SHA-1 bind with SHA-256 (RFC 5929, section 4.1).
const HASH_OF_SIGNATURE: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.4', 'sha256'], // md5WithRSAEncryption
  ['1.2.840.113549.1.1.5', 'sha256'], // sha1WithRSAEncryption
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.113549.1.1.15', 'sha512-224'],
  ['1.2.840.113549.1.1.16', 'sha512-256'],
  ['1.2.840.10045.4.1', 'sha256'], // ecdsa-with-SHA1
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.2.840.10040.4.3', 'sha256'], // dsa-with-sha1
  ['2.16.840.1.101.3.4.3.1', 'sha224'], // dsa-with-sha224 and so on
  ['2.16.840.1.101.3.4.3.2', 'sha256'],
  ['2.16.840.1.101.3.4.3.3', 'sha384'],
  ['2.16.840.1.101.3.4.3.4', 'sha512'],
])
const RSA_PSS = '1.2.840.113549.1.1.10'
const HASH_OF_DIGEST: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.5', 'sha256'], // md5
  ['1.3.14.3.2.26', 'sha256'], // sha1
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
])
const CONTEXT_0 = 0xa0

/**
 * What ties a log-in to the TLS session that a stream carries (`tls-server-end-point`, RFC 5929): a
 * hash of the server's certificate. Undefined without TLS, and for a certificate whose signature
 * algorithm has no hash of its own, such as Ed25519.
 */
export function endPointBinding(stream: Duplex): Buffer | undefined {
  if (!(stream instanceof TLSSocket)) return undefined
  const certificate = stream.getPeerX509Certificate()?.raw
  const hash = certificate && hashOfCertificate(certificate)
  return hash === undefined ? undefined : createHash(hash).update(certificate!).digest()
}

/**
 * The hash that `tls-server-end-point` uses for a certificate in DER, by its Node.js name;
 * undefined if its signature algorithm has none.
 */
export function hashOfCertificate(certificate: Buffer): string | undefined {
  try {
    // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue } (RFC 5280,
    // section 4.1)
    const whole = elementAt(certificate, 0)
    const toBeSigned = elementAt(certificate, whole.from)
    const algorithm = elementAt(certificate, toBeSigned.to)
    const name = elementAt(certificate, algorithm.from)
    const identifier = identifierOf(certificate, name)
    if (identifier !== RSA_PSS) return HASH_OF_SIGNATURE.get(identifier)
    return hashOfPss(certificate, name.to, algorithm.to)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** RSASSA-PSS names its hash in its parameters, SHA-1 if it names none (RFC 4055, section 3.1). */
function hashOfPss(certificate: Buffer, from: number, to: number): string | undefined {
  if (from >= to) return 'sha256'
  const parameters = elementAt(certificate, from)
  if (parameters.from >= parameters.to) return 'sha256'
  const first = elementAt(certificate, parameters.from)
  if (first.tag !== CONTEXT_0) return 'sha256'
  const digest = elementAt(certificate, first.from)
  return HASH_OF_DIGEST.get(identifierOf(certificate, elementAt(certificate, digest.from)))
}

/** The dotted form of an object identifier (X.690, section 8.19). */
function identifierOf(bytes: Buffer, { from, to }: DerElement): string {
  const numbers: number[] = []
  let number = 0
  for (const byte of bytes.subarray(from, to)) {
    number = number * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    if (numbers.length === 0) {
      const first = Math.min(2, Math.floor(number / 40))
      numbers.push(first, number - first * 40)
    } else numbers.push(number)
    number = 0
  }
  return numbers.join('.')
}
