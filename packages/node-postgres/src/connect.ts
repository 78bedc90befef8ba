import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { ConnectContext, ConnectionSettings } from '@poolhouse/core'
import { NoServerProofError, PasswordMissingError, toConnectError } from './connect-error.js'
import { PgConnection, statusOf } from './connection.js'
import type { PgClient, PgModule } from './pg-module.js'
import { type OpenedSocket, openSocket, targetOf } from './socket.js'
import { planTls, type TlsPlan } from './tls.js'

/** The deadline of a connect passed. */
class ConnectDeadlineError extends Error {
  /** Names the limit in milliseconds and how far it came. */
  constructor(timeoutMs: number, reached: boolean) {
    super(
      `it took longer than ${Math.round(timeoutMs)} ms; ` +
        (reached
          ? 'the server was reached but did not answer in time'
          : 'the server was not reached'),
    )
  }
}

/**
 * Opens one session: look-up, TCP, TLS and log-in under one deadline. Rejects with `ConnectError` or `AuthenticationError`;
 * then nothing is left open.
 */
export async function connect(pg: PgModule, context: ConnectContext): Promise<PgConnection> {
  const { settings, signal, timeoutMs } = context
  const attempt = new AbortController()
  const onAbort = (): void => attempt.abort(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  let reached = false
  // A check phase later: after a stall of this process, what the server sent in time is read first.
  const timer = setTimeout(
    () => setImmediate(() => attempt.abort(new ConnectDeadlineError(timeoutMs, reached))),
    timeoutMs,
  )
  try {
    const tls = planTls(settings)
    // Node's own limit of 250 ms for one address is too short for a distant server; a quarter of the time leaves some for the others.
    const attemptMs = Math.ceil(Math.max(250, timeoutMs / 4))
    const socket = await openSocket(targetOf(settings.endpoint), tls, attempt.signal, attemptMs)
    reached = true
    return await logIn(pg, context, socket, tls, attempt.signal)
  } catch (error) {
    throw toConnectError(error, settings)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

function logIn(
  pg: PgModule,
  context: ConnectContext,
  socket: OpenedSocket,
  tls: TlsPlan | undefined,
  signal: AbortSignal,
): Promise<PgConnection> {
  return new Promise((resolve, reject) => {
    const { settings, password, prepare, listener } = context
    const client = new pg.Client(clientConfig(settings, password, socket))
    ignoreEnvironment(client, settings)
    const connection = new PgConnection({ pg, client, socket, tls, prepare, listener })
    let settled = false
    const fail = (error: unknown): void => {
      if (settled) return
      settled = true
      signal.removeEventListener('abort', onAbort)
      connection.abandon()
      reject(error as Error)
    }
    const onAbort = (): void => fail(signal.reason)
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const proven = requireServerProof(client, fail)
    lendTo(client, socket, connection, (error) => {
      forgetPassword(client)
      proven()
      if (error !== null) fail(error)
      if (settled) return
      settled = true
      signal.removeEventListener('abort', onAbort)
      // `pg` calls back in its handler of the first ReadyForQuery, whose status is always idle.
      connection.opened(statusOf('I'))
      resolve(connection)
    })
  })
}

function clientConfig(
  settings: ConnectionSettings,
  password: string | undefined,
  socket: OpenedSocket,
): Record<string, unknown> {
  const { endpoint, user } = settings
  const { application_name = settings.applicationName } = settings.parameters
  return {
    host: endpoint.host,
    port: endpoint.port,
    database: endpoint.database,
    user,
    // A function, because with no password at all `pg` would look for one in the environment and in ~/.pgpass.
    password: () => {
      if (password === undefined) throw new PasswordMissingError()
      return password
    },
    application_name,
    // The socket is encrypted already.
    ssl: false,
    sslnegotiation: 'postgres',
    stream: () => socket.stream,
  }
}

/** `pg` fills gaps from PGOPTIONS, PGREPLICATION and its global defaults; a pool's settings are what was written down for it. */
function ignoreEnvironment(client: PgClient, settings: ConnectionSettings): void {
  const parameters = client.connectionParameters
  parameters.options = startupOptions(settings.parameters)
  parameters.replication = undefined
  parameters.query_timeout = false
}

/** Writes run-time parameters as the server's command line takes them: a backslash before white space and backslashes. */
export function startupOptions(parameters: Readonly<Record<string, string>>): string | undefined {
  const options = Object.entries(parameters)
    .filter(([name]) => name !== 'application_name')
    .map(([name, value]) => `-c ${`${name}=${value}`.replace(/[\\\s]/g, '\\$&')}`)
  return options.length === 0 ? undefined : options.join(' ')
}

/** A server that starts SCRAM and then just lets us in has not shown that it knows the password: it may be anybody. Returns how to stop looking. */
function requireServerProof(client: PgClient, fail: (error: Error) => void): () => void {
  let owed = false
  const wire = client.connection
  const listeners = {
    authenticationSASL: () => {
      owed = true
    },
    authenticationSASLFinal: () => {
      owed = false
    },
    authenticationOk: () => {
      if (owed) fail(new NoServerProofError())
    },
  }
  for (const [event, listener] of Object.entries(listeners)) wire.on(event, listener)
  // Through them the session would hold on to everything its connect knew, the password included.
  return () => {
    for (const [event, listener] of Object.entries(listeners)) wire.removeListener(event, listener)
  }
}

type Listener = (...args: never[]) => void

/**
 * Has `pg` log in over a socket that is already connected. `pg` wants to connect it and to read it by itself: `connect` only
 * says that it is done, and the reader is put into one listener of ours, which notes the time and turns what the parser
 * throws on malformed messages, in `pg` an uncaught exception, into the end of this one session.
 */
function lendTo(
  client: PgClient,
  { stream }: OpenedSocket,
  connection: PgConnection,
  callback: (error: Error | null) => void,
): void {
  stream.connect = () => {
    process.nextTick(() => stream.emit('connect'))
    return stream
  }
  const on = stream.on.bind(stream) as (event: string, listener: Listener) => Socket
  stream.on = ((event: string, listener: Listener): Socket => {
    if (event !== 'data') return on(event, listener)
    return on(event, (chunk: Buffer) => {
      connection.lastByteAt = performance.now()
      try {
        listener(chunk as never)
      } catch (error) {
        stream.destroy(error as Error)
      }
    })
  }) as Socket['on']
  // `pg` keeps what it is given for the life of the client, and the callback knows everything its connect knew.
  let pending: typeof callback | undefined = callback
  client.connect((error) => {
    const call = pending
    pending = undefined
    call?.(error)
  })
  // Last added, first deleted: otherwise the socket becomes a slow and large dictionary.
  Reflect.deleteProperty(stream, 'on')
  Reflect.deleteProperty(stream, 'connect')
}

function forgetPassword(client: PgClient): void {
  client.password = null
  client.connectionParameters.password = null
}
