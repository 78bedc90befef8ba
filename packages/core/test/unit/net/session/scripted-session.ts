import { onTestFinished } from 'vitest'
import type { ConnectContext, RawHolder } from '../../../../src/api/driver.js'
import type { QueryResult, Statement } from '../../../../src/api/statement.js'
import { connectSession } from '../../../../src/net/session/connect-session.js'
import type { LibraryClient, LibraryLine } from '../../../../src/net/session/library.js'
import type { WireSession } from '../../../../src/net/session/wire-session.js'
import { contextFor, frame, KEY, OK, type Peer, READY, serve } from '../scripted-server.js'

/** A client that keeps what it is given, and writes what a test says. */
export class PlainClient implements LibraryClient {
  readonly raw = {}
  readonly line: LibraryLine
  isStarted = true
  mayWrite: boolean
  taken = ''
  drains = 0
  restored = 0
  lost: unknown[] = []
  onTake: (messages: Buffer) => void = () => {}

  constructor(line: LibraryLine, mayWrite: boolean) {
    this.line = line
    this.mayWrite = mayWrite
  }

  lend(_holder: RawHolder): unknown {
    return this.raw
  }

  take(messages: Buffer): void {
    for (let at = 0; at < messages.length; at += 1 + messages.readUInt32BE(at + 1)) {
      this.taken += String.fromCharCode(messages[at]!)
    }
    this.onTake(messages)
  }

  drained(): void {
    this.drains++
  }

  restore(): void {
    this.restored++
  }

  lose(reason: unknown): void {
    this.lost.push(reason)
  }
}

/** A session to a scripted server, which speaks only as the test says. */
export interface ScriptedSession {
  readonly session: WireSession
  readonly peer: Peer
  /** The client, once `raw` was lent. */
  readonly client: () => PlainClient
  readonly closed: unknown[]
  readonly over: Promise<unknown>
  /** Resolves when the server has these many bytes of the client's messages; gives their kinds. */
  kinds(count: number): Promise<string>
  run(statement: Statement): Promise<QueryResult<unknown>>
}

/**
 * Opens a session; its server is gone when the test is over. `mayWrite` is what its client says at
 * first.
 */
export async function scriptedSession(
  change: Partial<ConnectContext> = {},
  mayWrite = false,
): Promise<ScriptedSession> {
  let met = (_peer: Peer): void => {}
  const peerMet = new Promise<Peer>((resolve) => {
    met = resolve
  })
  const server = await serve(async (peer) => {
    await peer.takeOpening()
    peer.write(OK, KEY, READY)
    met(peer)
  })
  let client: PlainClient | undefined
  const closed: unknown[] = []
  let end = (_reason: unknown): void => {}
  const over = new Promise<unknown>((resolve) => {
    end = resolve
  })
  const context: ConnectContext = {
    ...contextFor(server.port),
    listener: {
      closed(reason) {
        closed.push(reason)
        end(reason)
      },
      notice() {},
      notification() {},
      parameter() {},
    },
    ...change,
  }
  const session = (await connectSession(
    {
      makeClient: (line) => {
        client = new PlainClient(line, mayWrite)
        return client
      },
      errorOf: (body) => new Error(body.toString('latin1')),
    },
    context,
  )) as WireSession
  const peer = await peerMet
  onTestFinished(async () => {
    session.destroy('the test is over')
    await server[Symbol.asyncDispose]()
  })
  return {
    session,
    peer,
    client: () => client!,
    closed,
    over,
    kinds: async (count) => {
      let kinds = ''
      while (kinds.length < count) {
        const head = await peer.take(5)
        if (head.length < 5) break
        kinds += String.fromCharCode(head[0]!)
        await peer.take(head.readUInt32BE(1) - 4)
      }
      return kinds
    },
    run: (statement) =>
      new Promise((resolve, reject) => {
        session.run(statement, (error, result) =>
          error === null ? resolve(result!) : reject(error),
        )
      }),
  }
}

/** Some turns of the event loop, in which bytes arrive. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export const PARSED: Buffer = frame('1')
export const BOUND: Buffer = frame('2')
export const NO_DATA: Buffer = frame('n')

/** RowDescription of columns of one type. */
export function columns(names: readonly string[], oid = 25): Buffer {
  const count = Buffer.alloc(2)
  count.writeUInt16BE(names.length)
  const parts = names.map((name) => {
    const rest = Buffer.alloc(18)
    rest.writeUInt32BE(oid, 6)
    rest.writeInt16BE(-1, 10)
    return Buffer.concat([Buffer.from(`${name}\0`), rest])
  })
  return frame('T', Buffer.concat([count, ...parts]))
}

/** DataRow. */
export function row(...values: (string | null)[]): Buffer {
  const count = Buffer.alloc(2)
  count.writeUInt16BE(values.length)
  const parts = values.map((value) => {
    const size = Buffer.alloc(4)
    size.writeInt32BE(value === null ? -1 : Buffer.byteLength(value))
    return Buffer.concat([size, Buffer.from(value ?? '')])
  })
  return frame('D', Buffer.concat([count, ...parts]))
}

/** CommandComplete. */
export const tag = (text: string): Buffer => frame('C', `${text}\0`)
/** ErrorResponse. */
export const failure = (code: string, message = 'no', severity = 'ERROR'): Buffer =>
  frame('E', `S${severity}\0V${severity}\0C${code}\0M${message}\0\0`)
/** ReadyForQuery. */
export const ready = (status: 'I' | 'T' | 'E' = 'I'): Buffer => frame('Z', status)

/** A lease that is out until `end` is called. */
export class Holder implements RawHolder {
  readonly texts: string[] = []
  #isOver = false

  end(): void {
    this.#isOver = true
  }

  refusal(): Error | undefined {
    return this.#isOver ? new Error('released') : undefined
  }

  sends(text: string): void {
    this.texts.push(text)
  }

  exposed(): void {}
}
