import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import type { ConnectContext } from '../../../src/api/driver.js'
import type { AuthMethod } from '../../../src/settings/auth-method.js'
import type { SslSettings } from '../../../src/settings/ssl-settings.js'
import { settingsFor } from '../../settings-for.js'

/** One accepted connection, for a script to speak over. */
export class Peer {
  readonly socket: Socket
  #held = Buffer.alloc(0)
  #wake: (() => void) | undefined
  #ended = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      this.#held = Buffer.concat([this.#held, chunk])
      this.#wake?.()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#wake?.()
    })
  }

  /** The next bytes; fewer if the client goes. */
  async take(count: number): Promise<Buffer> {
    while (this.#held.length < count && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const taken = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    return taken
  }

  /** Body of a message without a type: start-up, SSLRequest, CancelRequest. */
  async takeOpening(): Promise<Buffer> {
    const head = await this.take(4)
    return head.length < 4 ? head : await this.take(head.readInt32BE(0) - 4)
  }

  /** Body of a message with a type. */
  async takeMessage(): Promise<Buffer> {
    const head = await this.take(5)
    return head.length < 5 ? head : await this.take(head.readInt32BE(1) - 4)
  }

  write(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts))
  }
}

/** A server that follows a script for each connection. */
export interface ScriptedServer extends AsyncDisposable {
  readonly port: number
  /** How many connections it has accepted. */
  accepted: number
  /** Resolves when every connection is closed. */
  untilEmpty(): Promise<void>
}

/** Listens on a free port of `host`. */
export async function serve(
  script: (peer: Peer, index: number) => unknown,
  host = '127.0.0.1',
): Promise<ScriptedServer> {
  const sockets = new Set<Socket>()
  let onEmpty = (): void => {}
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0) onEmpty()
    })
    script(new Peer(socket), result.accepted++)
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const result: ScriptedServer = {
    port: (server.address() as { port: number }).port,
    accepted: 0,
    untilEmpty: () =>
      new Promise((resolve) => {
        onEmpty = resolve
        if (sockets.size === 0) resolve()
      }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return result
}

/** What is different from a log-in of `app` with the password `secret` in plain text. */
export interface Login {
  readonly host?: string
  readonly password?: string | undefined
  readonly requireAuth?: readonly AuthMethod[]
  readonly ssl?: SslSettings
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What a driver is given to connect to a port. */
export function contextFor(port: number, login: Login = {}): ConnectContext {
  const password = 'password' in login ? login.password : 'secret'
  return {
    settings: settingsFor(login.host ?? '127.0.0.1', login.ssl ?? { mode: 'disable' }, {
      port,
      password,
    }),
    password,
    timeoutMs: login.timeoutMs ?? 5_000,
    signal: login.signal ?? new AbortController().signal,
    requireAuth: login.requireAuth,
    listener: { closed() {}, notice() {}, notification() {}, parameter() {} },
  }
}

/** A message of the server. */
export function frame(type: string, body: Buffer | string = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const head = Buffer.from([type.charCodeAt(0), 0, 0, 0, 0])
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

/** An authentication request. */
export function request(code: number, body: Buffer | string = ''): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(code)
  return frame('R', Buffer.concat([head, typeof body === 'string' ? Buffer.from(body) : body]))
}

export const OK: Buffer = request(0)
export const SASL: Buffer = request(10, 'SCRAM-SHA-256\0\0')
export const READY: Buffer = frame('Z', 'I')
export const KEY: Buffer = frame('K', Buffer.from([0, 0, 0, 7, 0, 0, 0, 9]))
export const parameter = (name: string, value: string): Buffer => frame('S', `${name}\0${value}\0`)
export const refusal = (code: string, message: string): Buffer =>
  frame('E', `SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/**
 * The server's side of SCRAM, up to and without AuthenticationOk. Resolves with whether the client
 * knew the password.
 */
export async function scram(
  peer: Peer,
  password: string,
  change: { iterations?: string; nonce?: (client: string) => string; proof?: string } = {},
): Promise<boolean> {
  peer.write(SASL)
  const first = (await peer.takeMessage()).toString('latin1')
  const bare = first.slice(first.indexOf('n='))
  const client = /r=(.*)$/.exec(bare)?.[1] ?? ''
  const nonce = change.nonce?.(client) ?? `${client}server`
  const salt = Buffer.from('0123456789abcdef')
  const iterations = change.iterations ?? '4096'
  const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`
  peer.write(request(11, serverFirst))
  const final = (await peer.takeMessage()).toString('latin1')
  if (final === '') return false
  const salted = pbkdf2Sync(password, salt, Number(iterations), 32, 'sha256')
  const [, withoutProof = '', proof = ''] = /^(.*),p=(.*)$/.exec(final) ?? []
  const auth = `${bare},${serverFirst},${withoutProof}`
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
  const signature = hmac(stored, auth)
  const key = Buffer.from(proof, 'base64').map((byte, index) => byte ^ signature[index]!)
  const known = createHash('sha256').update(key).digest().equals(stored)
  const shown = change.proof ?? hmac(hmac(salted, 'Server Key'), auth).toString('base64')
  peer.write(request(12, `v=${shown}`))
  return known
}
