import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'

/** How a SCRAM exchange is played. */
export interface ScramOptions {
  readonly password: string
  readonly iterations: number
}

/** The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. */
export class ScramServer {
  readonly #options: ScramOptions
  readonly #salt = randomBytes(16)
  #gs2Header = ''
  #clientFirst = ''
  #serverFirst = ''
  #nonce = ''

  constructor(options: ScramOptions) {
    this.#options = options
  }

  /**
   * Takes the client's first message, gives the server's; `undefined` when it cannot be understood.
   */
  begin(message: string): string | undefined {
    // A `y` says: the client could bind the channel but the server did not offer it. True here.
    const header = /^[ny],[^,]*,/.exec(message)?.[0]
    const nonce = header && attribute(message.slice(header.length), 'r')
    if (!header || !nonce) return undefined
    this.#gs2Header = header
    this.#clientFirst = message.slice(header.length)
    this.#nonce = nonce + randomBytes(18).toString('base64')
    const salt = this.#salt.toString('base64')
    this.#serverFirst = `r=${this.#nonce},s=${salt},i=${this.#options.iterations}`
    return this.#serverFirst
  }

  /**
   * Takes the client's proof, gives the server's signature; `undefined` when the client does not
   * know the password.
   */
  finish(message: string): string | undefined {
    const proof = Buffer.from(attribute(message, 'p') ?? '', 'base64')
    const binding = Buffer.from(this.#gs2Header).toString('base64')
    if (attribute(message, 'r') !== this.#nonce || attribute(message, 'c') !== binding)
      return undefined
    const { password, iterations } = this.#options
    const salted = pbkdf2Sync(password.normalize('NFKC'), this.#salt, iterations, 32, 'sha256')
    const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
    const withoutProof = message.slice(0, message.lastIndexOf(',p='))
    const exchange = `${this.#clientFirst},${this.#serverFirst},${withoutProof}`
    const signature = hmac(storedKey, exchange)
    if (proof.length !== signature.length) return undefined
    const clientKey = Buffer.from(proof.map((byte, index) => byte ^ signature[index]!))
    if (!timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey))
      return undefined
    return `v=${hmac(hmac(salted, 'Server Key'), exchange).toString('base64')}`
  }
}

function hmac(key: Buffer, message: string): Buffer {
  return createHmac('sha256', key).update(message).digest()
}

function attribute(message: string, name: string): string | undefined {
  const found = message.split(',').find((part) => part.startsWith(`${name}=`))
  return found?.slice(2)
}
