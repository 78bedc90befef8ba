import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { AuthenticationFailure, NoServerProofError } from '../frames/login-error.js'
import { saslprep } from './saslprep.js'

// PostgreSQL's default is 4 096 (scram_iterations). What OWASP recommends for PBKDF2-HMAC-SHA256 is
// 600 000, some tenths of a second of one core; a server that asks for more is after the core.
const MOST_ITERATIONS = 600_000

const derive = promisify(pbkdf2)

/**
 * How an exchange is tied to the TLS session below it (RFC 5802, section 6): `none`, because we do
 * not want it or cannot; `not-offered`, by which a server that did offer it sees that the offer was
 * removed on the way; or the `tls-server-end-point` of RFC 5929.
 */
export type ScramBinding = 'none' | 'not-offered' | { readonly endPoint: Buffer }

const GS2_HEADER = { none: 'n,,', 'not-offered': 'y,,', bound: 'p=tls-server-end-point,,' } as const

/**
 * The client's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677), with channel binding
 * SCRAM-SHA-256-PLUS.
 */
export class ScramExchange {
  readonly #nonce: string
  readonly #header: string
  /** What the channel binding says, in base64. */
  readonly #channel: string
  #serverSignature: Buffer | undefined

  /** `nonce` is random; tests give their own. */
  constructor(binding: ScramBinding = 'none', nonce: string = randomBytes(18).toString('base64')) {
    this.#nonce = nonce
    const isBound = typeof binding === 'object'
    this.#header = GS2_HEADER[isBound ? 'bound' : binding]
    const header = Buffer.from(this.#header)
    this.#channel = Buffer.concat(isBound ? [header, binding.endPoint] : [header]).toString(
      'base64',
    )
  }

  /**
   * The client-first-message. The user is that of the start-up message, and PostgreSQL ignores the
   * one in here.
   */
  first(): string {
    return `${this.#header}${this.#bareFirst()}`
  }

  /**
   * The client-final-message, which proves that we know the password. The work is done off the main
   * thread. Rejects with an `AuthenticationFailure` when the server's message is malformed or asks
   * for too much work.
   */
  async final(serverFirst: string, password: string): Promise<string> {
    const { nonce, salt, iterations } = this.#readFirst(serverFirst)
    const salted = await derive(saslprep(password), salt, iterations, 32, 'sha256')
    const clientKey = hmac(salted, 'Client Key')
    const withoutProof = `c=${this.#channel},r=${nonce}`
    const auth = `${this.#bareFirst()},${serverFirst},${withoutProof}`
    const signature = hmac(createHash('sha256').update(clientKey).digest(), auth)
    const proof = clientKey.map((byte, index) => byte ^ signature[index]!)
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), auth)
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }

  /**
   * Checks the server-final-message. Throws `NoServerProofError` unless the server has shown that
   * it knows the password as well.
   */
  verify(serverFinal: string): void {
    const text = /^v=([A-Za-z0-9+/]{43}=)(?:,|$)/.exec(serverFinal)?.[1]
    const given = text === undefined ? undefined : Buffer.from(text, 'base64')
    const right = this.#serverSignature
    if (given === undefined || right === undefined || !timingSafeEqual(given, right)) {
      throw new NoServerProofError()
    }
  }

  #bareFirst(): string {
    return `n=,r=${this.#nonce}`
  }

  #readFirst(message: string): { nonce: string; salt: Buffer; iterations: number } {
    const [, nonce, salt, count] =
      /^r=([!-+\--~]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,9})(?:,|$)/.exec(message) ?? []
    if (nonce === undefined || salt === undefined || count === undefined) {
      throw new AuthenticationFailure('the first SCRAM message of the server is malformed')
    }
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new AuthenticationFailure(
        'the SCRAM nonce of the server does not continue ours; something may be replaying an old log-in',
      )
    }
    const iterations = Number(count)
    if (iterations > MOST_ITERATIONS) {
      throw new AuthenticationFailure(
        `the server asks for ${iterations} SCRAM iterations, and at most ${MOST_ITERATIONS} are done for a server that has proven nothing; set scram_iterations there lower and the password anew`,
      )
    }
    return { nonce, salt: Buffer.from(salt, 'base64'), iterations }
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
