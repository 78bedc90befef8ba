import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { ConnectContext, ConnectionSettings } from '@poolhouse/core/kit'
import {
  LoginGuard,
  overServerSocket,
  realTimers,
  type ServerSocket,
  startupOptions,
  toConnectError,
} from '@poolhouse/core/net'
import { typeParsers } from '@poolhouse/core/types'
import { ClientTypes } from './client-types.js'
import { PgConnection } from './connection.js'
import type { PgClient, PgModule } from './pg-module.js'
import { UnreadAnswer } from './unread-answer.js'

/**
 * Opens one session: look-up, TCP, TLS and log-in under one deadline. Rejects with `ConnectError`
 * or `AuthenticationError`, and leaves nothing open then.
 */
export async function connect(pg: PgModule, context: ConnectContext): Promise<PgConnection> {
  return await overServerSocket(context, async (socket) => {
    try {
      return await logIn(pg, context, socket)
    } catch (error) {
      throw toConnectError(error, context.settings)
    }
  })
}

async function logIn(
  pg: PgModule,
  context: ConnectContext,
  socket: ServerSocket,
): Promise<PgConnection> {
  const { settings, types = typeParsers() } = context
  const client = new pg.Client(clientConfig(settings, socket, new ClientTypes(pg, types)))
  ignoreEnvironment(client, settings)
  const connection = new PgConnection(client, socket, types, context)
  let parser: DataListener | undefined
  const guard = new LoginGuard(socket, context, {
    show: (bytes) => parser?.(bytes),
    parameters: false,
  })
  parser = lendTo(connection, client, socket, guard, (error) => {
    // `pg` calls back while it handles the first ReadyForQuery, whose status is always idle.
    if (error === null) connection.opened('idle')
    else guard.fail(error)
  })
  try {
    connection.identified(await guard.ready)
  } catch (error) {
    connection.abandon()
    throw error
  }
  return connection
}

/**
 * Never called, because the log-in guard answers. Without it `pg` would keep the password of the
 * environment.
 */
const noPassword = (): string => ''

function clientConfig(
  settings: ConnectionSettings,
  socket: ServerSocket,
  types: ClientTypes,
): Record<string, unknown> {
  const { endpoint, user } = settings
  const { application_name = settings.applicationName } = settings.parameters
  return {
    host: endpoint.host,
    port: endpoint.port,
    database: endpoint.database,
    user,
    password: noPassword,
    application_name,
    // The socket is already encrypted.
    ssl: false,
    sslnegotiation: 'postgres',
    stream: () => socket.stream,
    types,
  }
}

/** Removes what `pg` takes from PGOPTIONS, PGREPLICATION and its global defaults. */
function ignoreEnvironment(client: PgClient, settings: ConnectionSettings): void {
  const parameters = client.connectionParameters
  parameters.options = startupOptions(settings)
  parameters.replication = undefined
  parameters.query_timeout = false
}

type Listener = (...args: never[]) => void
type DataListener = (chunk: Buffer) => void
type ConnectCallback = (error: Error | null) => void

/**
 * Has `pg` log in over a socket that is already connected, and returns the parser of `pg`. `pg`
 * expects to connect and to read the socket itself: its `connect` is replaced by one that only
 * reports success, and its `data` listener by one of ours. That one notes the time of each byte,
 * gives the log-in guard what comes during the log-in, and ends this one session when the parser
 * throws on a malformed message, which in `pg` is an uncaught exception.
 */
function lendTo(
  connection: PgConnection,
  client: PgClient,
  socket: ServerSocket,
  guard: LoginGuard,
  callback: ConnectCallback,
): DataListener | undefined {
  let parser: DataListener | undefined
  const { stream } = socket
  stream.connect = () => {
    realTimers.nextTick(() => stream.emit('connect'))
    return stream
  }
  const on = stream.on.bind(stream) as (event: string, listener: Listener) => Socket
  stream.on = ((event: string, listener: Listener): Socket => {
    if (event !== 'data') return on(event, listener)
    parser = listener as DataListener
    return on(event, reader(connection, client, socket, guard, parser))
  }) as Socket['on']
  client.connect(onlyOnce(callback))
  // In reverse order: otherwise V8 turns the socket into a slow, large dictionary.
  Reflect.deleteProperty(stream, 'on')
  Reflect.deleteProperty(stream, 'connect')
  return parser
}

// Top-level functions, because closures keep everything around them alive as long as the client.

function reader(
  connection: PgConnection,
  client: PgClient,
  socket: ServerSocket,
  guard: LoginGuard,
  given: DataListener,
): DataListener {
  let parser = given
  let login: LoginGuard | undefined = guard
  // Set while the rest of an unreadable answer is skipped.
  let passOver: DataListener | undefined
  return (chunk) => {
    socket.lastByteAt = performance.now()
    try {
      if (passOver !== undefined) {
        passOver(chunk)
        return
      }
      if (login === undefined) {
        parser(chunk)
        return
      }
      const taken = login.take(chunk)
      // Drop the guard now: it holds the password, and the next bytes may come much later.
      if (login.over) login = undefined
      if (!taken) parser(chunk)
    } catch (error) {
      const cause = error as Error
      if (login !== undefined || !isTooLong(cause) || !connection.unreadable(cause)) {
        socket.stream.destroy(cause)
        return
      }
      const unread = new UnreadAnswer()
      passOver = (bytes) => {
        const end = unread.take(bytes)
        if (end === undefined) return
        passOver = undefined
        parser = newParser(client)
        connection.passedOver(cause, end.refused)
        parser(end.ready)
      }
      passOver(chunk)
    }
  }
}

/** Whether a text exceeds the longest string of V8. */
function isTooLong(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STRING_TOO_LONG'
}

function newParser(client: PgClient): DataListener {
  let parser: DataListener | undefined
  client.connection.attachListeners({
    on: (event, listener) => {
      if (event === 'data') parser = listener
    },
  })
  return parser!
}

/** Lets go of the callback after its call, because `pg` keeps a reference for ever. */
function onlyOnce(callback: ConnectCallback): ConnectCallback {
  let pending: ConnectCallback | undefined = callback
  return (error) => {
    const call = pending
    pending = undefined
    call?.(error)
  }
}
