import { createHmac, timingSafeEqual } from 'node:crypto'

/** A place in the history of a cluster. Whoever has replayed to it shows everything that was committed before. */
export interface Token {
  /** System identifier of the cluster. */
  readonly systemId: string
  /** Timeline of the server that told the position. */
  readonly timeline: number
  /** Position in the write-ahead log. */
  readonly lsn: bigint
}

/** What a text turned out to be: a token, the word for "read from the primary", or neither and why. */
export type DecodedToken =
  | { readonly kind: 'token'; readonly token: Token }
  | { readonly kind: 'strong' }
  | { readonly kind: 'malformed' | 'forged'; readonly message: string }

// Longer than any token: nobody reads megabytes because a cookie holds them.
const MOST_CHARACTERS = 200
const STRONG = 'v1.strong'
// Half of SHA-256, which RFC 2104 still recommends: a token travels with every request.
const SIGNATURE_BYTES = 16

/** Writes tokens as texts for cookies, headers and jobs, and reads them back. With secrets it signs them and believes only its own. */
export class TokenCodec {
  readonly #secrets: readonly string[]

  /** The first secret signs; all of them are accepted, so that a secret can be replaced without a stale read. */
  constructor(secrets: readonly string[]) {
    this.#secrets = secrets
  }

  /** The text of a token, `v1.<system>.<timeline>.<position>`, with a signature behind it where there is a secret. */
  encode({ systemId, timeline, lsn }: Token): string {
    const text = `v1.${systemId}.${timeline}.${lsn.toString(16).toUpperCase()}`
    const [secret] = this.#secrets
    return secret === undefined ? text : `${text}.${sign(text, secret)}`
  }

  /** The text of a session that has seen what nobody could put a position to. */
  encodeStrong(): string {
    return STRONG
  }

  /** Reads a text. Never throws: it comes from outside. */
  decode(text: string): DecodedToken {
    if (text === STRONG) return { kind: 'strong' }
    const parts = text.length > MOST_CHARACTERS ? [] : text.split('.')
    const [version, systemId = '', timeline = '', position = '', signature] = parts
    const shaped =
      version === 'v1' &&
      parts.length <= 5 &&
      /^\d{1,20}$/.test(systemId) &&
      /^[1-9]\d{0,9}$/.test(timeline) &&
      /^[0-9A-F]{1,16}$/.test(position)
    if (!shaped) {
      return {
        kind: 'malformed',
        message: 'it is not of the form v1.<system>.<timeline>.<position>',
      }
    }
    const unsigned = `v1.${systemId}.${timeline}.${position}`
    if (this.#secrets.length > 0 && !this.#isSigned(unsigned, signature)) {
      const why = signature === undefined ? 'it has no signature' : 'its signature is not ours'
      return { kind: 'forged', message: why }
    }
    const token = { systemId, timeline: Number(timeline), lsn: BigInt(`0x${position}`) }
    return { kind: 'token', token }
  }

  #isSigned(text: string, signature: string | undefined): boolean {
    if (signature === undefined) return false
    // The texts are compared: several texts may decode to the same bytes.
    const given = Buffer.from(signature)
    return this.#secrets.some((secret) => {
      const right = Buffer.from(sign(text, secret))
      return given.length === right.length && timingSafeEqual(given, right)
    })
  }
}

/** The later of two places in one cluster: a higher timeline comes after everything on a lower one that is still history. */
export function laterToken(one: Token, other: Token): Token {
  if (one.timeline !== other.timeline) return one.timeline > other.timeline ? one : other
  return one.lsn >= other.lsn ? one : other
}

function sign(text: string, secret: string): string {
  const full = createHmac('sha256', secret).update(text).digest()
  return full.subarray(0, SIGNATURE_BYTES).toString('base64url')
}
