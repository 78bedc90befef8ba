import type { Socket } from 'node:net'

/**
 * Resets a connection. While a FIN waits for its turn libuv refuses to (EINVAL), and Node.js then
 * leaves the socket open behind an object that counts as destroyed and never says `close`; such a
 * socket is closed.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
