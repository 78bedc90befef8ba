import type { ConnectContext } from '@poolhouse/core'
import { guardLogin, openServerSocket, type ServerSocket } from '@poolhouse/core/net'
import { PostgresConnection } from './connection.js'
import type { MakeInstance } from './instance.js'
import { InstanceStart } from './instance-start.js'

/**
 * Opens one session: look-up, TCP, TLS and log-in under one deadline. Rejects with `ConnectError` or `AuthenticationError`;
 * then nothing is left open.
 */
export async function connect(
  makeInstance: MakeInstance,
  context: ConnectContext,
): Promise<PostgresConnection> {
  const opening = openServerSocket(context)
  const start = new InstanceStart(makeInstance, context)
  let socket: ServerSocket
  try {
    socket = await opening
  } catch (error) {
    start.giveUp(error)
    throw error
  }
  const guard = guardLogin(socket, context)
  const connection = new PostgresConnection(start, context, socket)
  try {
    connection.start((error) => guard.fail(error))
    const { key } = await guard.ready
    connection.identified(key)
    return connection
  } catch (error) {
    connection.abandon()
    throw error
  }
}
