import type { ConnectContext } from '@poolhouse/core/kit'
import { LoginGuard, overServerSocket, type ServerSocket } from '@poolhouse/core/net'
import { PostgresConnection } from './connection.js'
import type { MakeInstance } from './instance.js'
import { InstanceStart } from './instance-start.js'

/**
 * Opens one session: look-up, TCP, TLS and log-in under one deadline. Rejects with `ConnectError`
 * or `AuthenticationError`, and leaves nothing open then.
 */
export async function connect(
  makeInstance: MakeInstance,
  context: ConnectContext,
): Promise<PostgresConnection> {
  // For the first log-in, made while the socket is being opened.
  let early: InstanceStart | undefined = new InstanceStart(makeInstance, context)
  try {
    return await overServerSocket(context, (socket) => {
      const start = early ?? new InstanceStart(makeInstance, context)
      early = undefined
      return logIn(start, context, socket)
    })
  } catch (error) {
    early?.giveUp(error)
    throw error
  }
}

async function logIn(
  start: InstanceStart,
  context: ConnectContext,
  socket: ServerSocket,
): Promise<PostgresConnection> {
  const connection = new PostgresConnection(start, context, socket)
  const guard = new LoginGuard(socket, context, connection)
  try {
    connection.start(guard)
    connection.identified(await guard.ready)
    return connection
  } catch (error) {
    connection.abandon()
    throw error
  }
}
