import type { ConnectContext } from '../../api/driver.js'
import { isCondition } from '../../outcome/conditions.js'
import { AuthenticationError } from '../../outcome/errors.js'
import { openServerSocket, type ServerSocket } from './server-socket.js'

/**
 * Opens the connection of a session and logs in over it. With `prefer` it does as libpq: when the
 * server refuses every log-in over TLS, whatever the password, it tries once more without TLS, on a
 * new connection to the same peer and under the same deadline. Rejects as `openServerSocket` and
 * `logIn` do.
 *
 * @param logIn Logs in, or rejects: the socket is broken then. Called a second time for the second
 * connection.
 */
export async function overServerSocket<C>(
  context: ConnectContext,
  logIn: (socket: ServerSocket) => Promise<C>,
): Promise<C> {
  const socket = await openServerSocket(context)
  let refusal: unknown
  try {
    return await logInOrBreak(socket, logIn)
  } catch (error) {
    if (!socket.encrypted || context.settings.ssl.mode !== 'prefer' || !isNotLetIn(error)) {
      throw error
    }
    refusal = error
  }
  try {
    return await logInOrBreak(await openServerSocket(context, socket), logIn)
  } catch (error) {
    // Not let in either way: what was said where it was preferred is what helps.
    throw isNotLetIn(error) ? refusal : error
  }
}

async function logInOrBreak<C>(
  socket: ServerSocket,
  logIn: (socket: ServerSocket) => Promise<C>,
): Promise<C> {
  try {
    return await logIn(socket)
  } catch (error) {
    socket.break()
    throw error
  }
}

/** No entry in pg_hba.conf, one that says `reject`, or a client certificate that is missing. */
function isNotLetIn(error: unknown): boolean {
  return (
    error instanceof AuthenticationError &&
    isCondition(error.sqlState, 'invalid_authorization_specification')
  )
}
