import { performance } from 'node:perf_hooks'
import type { ConnectContext, DriverConnection } from '../../api/driver.js'
import { startupMessage } from '../frames/startup-message.js'
import { LoginGuard } from '../login/login-guard.js'
import { overServerSocket } from '../socket/over-server-socket.js'
import type { ServerSocket } from '../socket/server-socket.js'
import type { Library } from './library.js'
import { WireSession } from './wire-session.js'

/**
 * Opens one session for a driver over `library`: look-up, TCP, TLS and log-in under one deadline.
 * Rejects with `ConnectError` or `AuthenticationError`, and leaves nothing open then.
 */
export function connectSession(
  library: Library,
  context: ConnectContext,
): Promise<DriverConnection> {
  return overServerSocket(context, (socket) => logIn(library, context, socket))
}

async function logIn(
  library: Library,
  context: ConnectContext,
  socket: ServerSocket,
): Promise<WireSession> {
  const session = new WireSession(library, context, socket)
  const guard = new LoginGuard(socket, context, session)
  listen(session, socket, guard)
  socket.stream.write(startupMessage(context.settings))
  try {
    session.identified(await guard.ready)
    return session
  } catch (error) {
    session.abandon()
    throw error
  }
}

// A function of its own, because a closure keeps everything around it alive as long as the session.
function listen(session: WireSession, socket: ServerSocket, guard: LoginGuard): void {
  let login: LoginGuard | undefined = guard
  socket.stream.on('data', (chunk: Buffer) => {
    socket.lastByteAt = performance.now()
    if (login === undefined) {
      session.show(chunk)
      return
    }
    const taken = login.take(chunk)
    // It holds the password, and the next bytes may come much later.
    if (login.over) login = undefined
    if (!taken) session.show(chunk)
  })
}
