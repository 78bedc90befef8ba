import type { Socket } from 'node:net'

/**
 * Closes a socket with an RST and nothing before it. `resetAndDestroy()` alone ends the stream first, so that the peer
 * may see a FIN and take the loss for an orderly end; it does that through `destroySoon()`.
 */
export function resetSocket(socket: Socket): void {
  socket.destroySoon = () => void socket.destroy()
  socket.resetAndDestroy()
}
