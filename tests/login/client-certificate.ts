import { makeSelfSigned } from '../support/servers/self-signed.js'

/** A self-signed certificate and its key, PEM. */
export interface ClientCertificate {
  readonly cert: string
  /** Unencrypted. */
  readonly key: string
  /** The same key, encrypted with `passphrase`. */
  readonly lockedKey: string
  readonly passphrase: string
}

/** Makes a certificate on a P-256 key for one common name. */
export function makeClientCertificate(commonName: string): ClientCertificate {
  const passphrase = 'open, sesame'
  const { cert, key } = makeSelfSigned(commonName, 'ecdsa-sha256')
  const form = { type: 'pkcs8', format: 'pem' } as const
  return {
    cert,
    key: key.export(form) as string,
    lockedKey: key.export({ ...form, cipher: 'aes-256-cbc', passphrase }) as string,
    passphrase,
  }
}
