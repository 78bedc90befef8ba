import { createHash } from 'node:crypto'
import { whyNotEncodable } from '../../base/encodable.js'
import type { AuthMethod } from '../../settings/auth-method.js'
import type { ChannelBinding } from '../../settings/read-parameters.js'
import {
  AuthenticationFailure,
  AuthNotAcceptedError,
  BindingRequiredError,
  NoServerProofError,
  PasswordMissingError,
  ProtocolError,
} from '../frames/login-error.js'
import { type ScramBinding, ScramExchange } from './scram.js'

/**
 * The message to send, undefined when there is nothing to say, or `true` when the server lets us in
 * and may.
 */
export type Answer = Buffer | true | undefined

/** The TLS session below a log-in, and what it is to be used for. */
export interface LoginChannel {
  /** `connection.channelBinding`. */
  readonly mode: ChannelBinding
  /** Whether the session is encrypted. */
  readonly encrypted: boolean
  /**
   * What ties the log-in to it; undefined if the server's certificate has no hash for that. Called
   * at most once.
   */
  endPoint(): Buffer | undefined
}

/** How far an authentication has come. */
type Step =
  | { readonly at: 'start' }
  | { readonly at: 'answered' }
  | { readonly at: 'scram'; readonly exchange: ScramExchange; readonly next: 11 | 12 }

// The codes of the AuthenticationXXX messages; those of Kerberos, GSSAPI and SSPI are not spoken
// here.
const OK = 0
const CLEAR_TEXT = 3
const MD5 = 5
const SASL = 10
const SASL_CONTINUE = 11
const SASL_FINAL = 12

const PLAIN = 'SCRAM-SHA-256'
const PLUS = 'SCRAM-SHA-256-PLUS'

/**
 * Answers the authentication requests of a server: the same are accepted over every driver, no
 * library is ever shown the password, and the work of SCRAM is not done on the main thread.
 */
export class Authentication {
  readonly #user: string
  readonly #password: string | undefined
  readonly #accepted: readonly AuthMethod[] | undefined
  readonly #channel: LoginChannel
  #step: Step = { at: 'start' }

  /** `accepted` undefined accepts all. */
  constructor(
    user: string,
    password: string | undefined,
    accepted: readonly AuthMethod[] | undefined,
    channel: LoginChannel,
  ) {
    this.#user = user
    this.#password = password
    this.#accepted = accepted
    this.#channel = channel
  }

  /**
   * Takes the body of one request. Throws or rejects with `AuthenticationFailure` or
   * `ProtocolError`.
   */
  handle(body: Buffer): Answer | Promise<Answer> {
    const code = body.length < 4 ? -1 : body.readInt32BE(0)
    const step = this.#step
    if (code === OK) return this.#letIn()
    if (step.at === 'scram') {
      // Whatever else comes, the server does not go through with its proof.
      if (code !== step.next) throw new NoServerProofError()
      const text = body.toString('utf8', 4)
      if (step.next === SASL_FINAL) {
        step.exchange.verify(text)
        this.#step = { at: 'answered' }
        return undefined
      }
      return this.#prove(step.exchange, text)
    }
    if (step.at === 'answered') throw new ProtocolError('the server asks for a second log-in')
    return this.#begin(code, body)
  }

  async #prove(exchange: ScramExchange, text: string): Promise<Buffer> {
    const answer = await exchange.final(text, this.#secret())
    this.#step = { at: 'scram', exchange, next: SASL_FINAL }
    return message(Buffer.from(answer))
  }

  #begin(code: number, body: Buffer): Buffer {
    switch (code) {
      case CLEAR_TEXT:
        this.#require('password')
        this.#step = { at: 'answered' }
        return message(Buffer.from(`${this.#secret()}\0`))
      case MD5: {
        this.#require('md5')
        if (body.length !== 8) throw new ProtocolError('the server asks for MD5 without a salt')
        this.#step = { at: 'answered' }
        const inner = md5(this.#secret(), this.#user)
        return message(Buffer.from(`md5${md5(inner, body.subarray(4))}\0`))
      }
      case SASL: {
        this.#require('scram-sha-256')
        const offered = body.toString('latin1', 4).split('\0')
        const binding = this.#bindingFor(offered)
        const mechanism = typeof binding === 'object' ? PLUS : PLAIN
        if (!offered.includes(mechanism)) {
          const names = offered.filter((name) => /^[\w-]{1,20}$/.test(name)).join(', ')
          throw new AuthenticationFailure(
            `the server asks for a SASL mechanism other than SCRAM-SHA-256 (${names}), which is not supported`,
          )
        }
        this.#secret()
        const exchange = new ScramExchange(binding)
        this.#step = { at: 'scram', exchange, next: SASL_CONTINUE }
        const first = Buffer.from(exchange.first())
        const length = Buffer.alloc(4)
        length.writeInt32BE(first.length)
        return message(Buffer.from(`${mechanism}\0`), length, first)
      }
      default:
        throw new AuthenticationFailure(
          `the server asks for a way to log in that is not supported (code ${code}); supported are trust, password, md5, scram-sha-256 and client certificates`,
        )
    }
  }

  /** Decides whether the exchange is tied to the TLS session, as libpq's `channel_binding` does. */
  #bindingFor(offered: readonly string[]): ScramBinding {
    const { mode, encrypted } = this.#channel
    const isOffered = offered.includes(PLUS)
    if (mode === 'disable') return 'none'
    if (isOffered && !encrypted) {
      // As libpq: a server offers it over TLS only, so TLS ends somewhere between the two.
      throw new AuthenticationFailure(
        "the server offers channel binding, which it does over TLS only, and this connection has none; if a proxy of your own adds TLS on the way, set connection.channelBinding to 'disable'",
      )
    }
    if (!encrypted) return 'none'
    const endPoint = this.#channel.endPoint()
    if (endPoint === undefined) {
      if (mode === 'prefer') return 'none'
      throw new BindingRequiredError(
        'the certificate of the server is signed by an algorithm that has no hash for it (Ed25519 or another)',
      )
    }
    if (isOffered) return { endPoint }
    if (mode === 'prefer') return 'not-offered'
    throw new BindingRequiredError('the server does not offer SCRAM-SHA-256-PLUS')
  }

  #letIn(): true {
    if (this.#step.at === 'scram') throw new NoServerProofError()
    if (this.#step.at === 'start') this.#require('none')
    return true
  }

  #require(asked: AuthMethod): void {
    const { mode, encrypted } = this.#channel
    if (mode === 'require') {
      if (!encrypted) throw new BindingRequiredError('the connection has no TLS')
      if (asked !== 'scram-sha-256') {
        throw new BindingRequiredError(
          asked === 'none'
            ? 'the server lets us in without a log-in'
            : 'the server asks for the password in another way than by SCRAM',
        )
      }
    }
    if (this.#accepted !== undefined && !this.#accepted.includes(asked)) {
      throw new AuthNotAcceptedError(asked, this.#accepted)
    }
  }

  #secret(): string {
    // An empty one is none: the server would refuse it, and libpq does not even ask.
    if (this.#password === undefined || this.#password === '') throw new PasswordMissingError()
    // What a function said; a password that was given outright was looked at with the other
    // options.
    const why = whyNotEncodable(this.#password)
    if (why !== undefined) throw new AuthenticationFailure(`the password ${why}`)
    return this.#password
  }
}

/** A message of type `p`, which all answers are. */
function message(...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const head = Buffer.from([0x70, 0, 0, 0, 0])
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function md5(first: string, second: string | Buffer): string {
  return createHash('md5').update(first).update(second).digest('hex')
}
