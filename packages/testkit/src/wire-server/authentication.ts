import { createHash, randomBytes } from 'node:crypto'
import { BodyReader } from '../protocol/body-reader.js'
import { int32, text } from '../protocol/message-writer.js'
import { ScramServer } from './scram.js'
import type { WireAuthentication, WireError, WireScript } from './script.js'
import { ServerMessages } from './server-messages.js'
import type { WireLink } from './wire-link.js'

/** What authentication needs to know of the script. */
export type AuthenticationScript = Pick<WireScript, 'auth' | 'password' | 'scram'>

const CLEARTEXT = 3
const MD5 = 5
const SASL = 10
const SASL_CONTINUE = 11
const SASL_FINAL = 12

/**
 * Asks the client to prove itself. Gives the error that refuses it, or `undefined`;
 * AuthenticationOk is the caller's.
 */
export async function authenticate(
  link: WireLink,
  user: string,
  script: AuthenticationScript,
): Promise<WireError | undefined> {
  const method: WireAuthentication = script.auth ?? 'trust'
  if (typeof method === 'object') return method.reject
  if (method === 'trust') return undefined
  const password = script.password ?? ''
  const proven =
    method === 'scram-sha-256'
      ? await scram(link, password, script.scram ?? {})
      : await simple(link, method, user, password)
  if (proven) return undefined
  return { code: '28P01', message: `password authentication failed for user "${user}"` }
}

async function simple(
  link: WireLink,
  method: 'cleartext' | 'md5',
  user: string,
  password: string,
): Promise<boolean> {
  if (method === 'cleartext') return (await ask(link, CLEARTEXT)).text() === password
  const salt = randomBytes(4)
  const inner = md5(Buffer.from(password + user))
  const expected = `md5${md5(Buffer.concat([Buffer.from(inner), salt]))}`
  return (await ask(link, MD5, salt)).text() === expected
}

async function scram(
  link: WireLink,
  password: string,
  { iterations = 4096, proof = 'send' }: NonNullable<WireScript['scram']>,
): Promise<boolean> {
  const server = new ScramServer({ password, iterations })
  const offer = await ask(link, SASL, Buffer.concat([text('SCRAM-SHA-256'), Buffer.from([0])]))
  if (offer.text() !== 'SCRAM-SHA-256') return false
  const first = server.begin(offer.bytes(offer.int32()).toString())
  if (first === undefined) return false
  const answer = await ask(link, SASL_CONTINUE, Buffer.from(first))
  const final = server.finish(answer.remainder().toString())
  if (final === undefined) return false
  if (proof !== 'skip') {
    const wrong = `v=${randomBytes(32).toString('base64')}`
    const message = proof === 'wrong' ? wrong : final
    const out = new ServerMessages()
    out.authentication(SASL_FINAL, Buffer.from(message))
    await link.send(out.take())
  }
  return true
}

async function ask(link: WireLink, kind: number, payload?: Buffer): Promise<BodyReader> {
  const out = new ServerMessages()
  out.authentication(kind, payload)
  await link.send(out.take())
  const frame = await link.receive()
  return new BodyReader(frame.type === 'p' ? frame.body : int32(0))
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}
