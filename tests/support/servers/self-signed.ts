import {
  constants,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  type SignKeyObjectInput,
  sign,
} from 'node:crypto'

/** How a certificate is signed. */
export type Signature =
  | 'ecdsa-sha1'
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'rsa-sha256'
  | 'rsa-sha512'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'ed25519'

/** A certificate that has signed itself, PEM, and its key. */
export interface SelfSigned {
  readonly cert: string
  readonly key: KeyObject
}

/** Makes a certificate (X.509 version 1) for one common name, valid from an hour ago for a day. */
export function makeSelfSigned(commonName: string, signature: Signature): SelfSigned {
  const { privateKey, publicKey, algorithm, signed } = keysFor(signature)
  const hour = 3_600_000
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(commonName)))))
  const body = sequence(
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    sequence(time(Date.now() - hour), time(Date.now() + 24 * hour)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const bits = der(0x03, Buffer.concat([Buffer.from([0]), signed(body)]))
  const base64 = sequence(body, algorithm, bits).toString('base64')
  const lines = base64.match(/.{1,64}/g)!.join('\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey,
  }
}

interface SigningKeys {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** AlgorithmIdentifier. */
  readonly algorithm: Buffer
  readonly signed: (body: Buffer) => Buffer
}

function keysFor(signature: Signature): SigningKeys {
  if (signature === 'ed25519') {
    const pair = generateKeyPairSync('ed25519')
    const algorithm = sequence(oid('2b6570'))
    return { ...pair, algorithm, signed: (body) => sign(null, body, pair.privateKey) }
  }
  const hash = signature.slice(signature.lastIndexOf('-') + 1) as keyof typeof HASHES
  const algorithm = ALGORITHMS[signature](hash)
  if (signature.startsWith('ecdsa')) {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return { ...pair, algorithm, signed: (body) => sign(hash, body, pair.privateKey) }
  }
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pss = signature.startsWith('rsa-pss')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: HASHES[hash].bytes }
    : {}
  const key: SignKeyObjectInput = { key: pair.privateKey, ...pss }
  return { ...pair, algorithm, signed: (body) => sign(hash, body, key) }
}

// Object identifiers are in their DER form.
const HASHES = {
  sha1: { id: '2b0e03021a', bytes: 20 },
  sha256: { id: '608648016503040201', bytes: 32 },
  sha384: { id: '608648016503040202', bytes: 48 },
  sha512: { id: '608648016503040203', bytes: 64 },
} as const
const NULL = Buffer.from([5, 0])
const plain = (id: string) => () => sequence(oid(id))
const withNull = (id: string) => () => sequence(oid(id), NULL)
const ALGORITHMS: Readonly<
  Record<Exclude<Signature, 'ed25519'>, (hash: keyof typeof HASHES) => Buffer>
> = {
  'ecdsa-sha1': plain('2a8648ce3d0401'),
  'ecdsa-sha256': plain('2a8648ce3d040302'),
  'ecdsa-sha384': plain('2a8648ce3d040303'),
  'ecdsa-sha512': plain('2a8648ce3d040304'),
  'rsa-sha256': withNull('2a864886f70d01010b'),
  'rsa-sha512': withNull('2a864886f70d01010d'),
  'rsa-pss-sha256': pss,
  'rsa-pss-sha384': pss,
}

function pss(hash: keyof typeof HASHES): Buffer {
  const { id, bytes } = HASHES[hash]
  const digest = sequence(oid(id), NULL)
  return sequence(
    oid('2a864886f70d01010a'),
    sequence(
      der(0xa0, digest),
      der(0xa1, sequence(oid('2a864886f70d010108'), digest)),
      der(0xa2, der(0x02, Buffer.from([bytes]))),
    ),
  )
}

/** One DER value. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function time(at: number): Buffer {
  // 2026-01-02T03:04:05.678Z as 260102030405Z.
  const text = `${new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)}Z`
  return der(0x17, Buffer.from(text))
}

const COMMON_NAME = oid('550403')
