import { describe, expect, it } from 'vitest'
import { hashOfCertificate } from '../../../../src/net/login/channel-binding.js'

/**
 * A certificate that holds nothing but the identifier of its signature algorithm, with these
 * parameters.
 */
function certificate(identifier: string, parameters = ''): Buffer {
  const algorithm = der(
    0x30,
    der(0x06, Buffer.from(identifier, 'hex')),
    Buffer.from(parameters, 'hex'),
  )
  return der(0x30, der(0x30, Buffer.alloc(300)), algorithm, der(0x03, Buffer.alloc(64)))
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

describe('tls-server-end-point', () => {
  it.each([
    ['md5WithRSAEncryption', '2a864886f70d010104', 'sha256'],
    ['sha1WithRSAEncryption', '2a864886f70d010105', 'sha256'],
    ['sha256WithRSAEncryption', '2a864886f70d01010b', 'sha256'],
    ['sha384WithRSAEncryption', '2a864886f70d01010c', 'sha384'],
    ['sha512WithRSAEncryption', '2a864886f70d01010d', 'sha512'],
    ['ecdsa-with-SHA1', '2a8648ce3d0401', 'sha256'],
    ['ecdsa-with-SHA384', '2a8648ce3d040303', 'sha384'],
    ['dsa-with-sha256', '608648016503040302', 'sha256'],
    ['Ed25519', '2b6570', undefined],
    ['Ed448', '2b6571', undefined],
    ['an algorithm of the future', '2a030405', undefined],
  ])('hashes a certificate signed by %s', (_name, identifier, hash) => {
    expect(hashOfCertificate(certificate(identifier))).toBe(hash)
  })

  it.each([
    ['no parameters', '', 'sha256'],
    ['empty parameters, which mean SHA-1', '3000', 'sha256'],
    ['SHA-256', '300fa00d300b0609608648016503040201', 'sha256'],
    ['SHA-512', '300fa00d300b0609608648016503040203', 'sha512'],
    ['a salt length only, which leaves SHA-1', '3005a203020120', 'sha256'],
    ['a hash of the future', '3008a00630040602 2a03'.replace(' ', ''), undefined],
  ])('reads the hash of RSASSA-PSS from its parameters: %s', (_name, parameters, hash) => {
    expect(hashOfCertificate(certificate('2a864886f70d01010a', parameters))).toBe(hash)
  })

  it('returns undefined for anything but a certificate', () => {
    const whole = certificate('2a864886f70d01010b')
    for (let length = 0; length < 320; length += 7) {
      expect(hashOfCertificate(whole.subarray(0, length))).toBeUndefined()
    }
    expect(hashOfCertificate(Buffer.alloc(40, 0xff))).toBeUndefined()
  })
})
