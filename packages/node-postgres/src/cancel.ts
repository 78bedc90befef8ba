import { type OpenedSocket, openSocket } from './socket.js'
import type { TlsPlan } from './tls.js'

/** Whom to cancel: the server process and the secret it handed out at start-up. */
export interface CancelKey {
  readonly processID: number
  readonly secretKey: number
}

// The code of a CancelRequest, 1234.5678.
const CANCEL_CODE = 80877102

/**
 * Asks the server behind `session` to cancel what `key` runs, over a socket of its own to the very peer of the session's
 * socket. Resolves when the server has closed that socket, which it does once it has passed the request on: only then can
 * the request hit nothing that comes later. Rejects when the peer cannot be reached or `timeoutMs` pass.
 */
export async function sendCancel(
  session: OpenedSocket,
  tls: TlsPlan | undefined,
  key: CancelKey,
  timeoutMs: number,
): Promise<void> {
  const attempt = new AbortController()
  const timer = setTimeout(
    () => attempt.abort(new Error(`it took longer than ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    const socket = await openSocket(session.peer, tls, attempt.signal, timeoutMs)
    await requestAndWait(socket, cancelRequest(key), attempt.signal)
  } finally {
    clearTimeout(timer)
  }
}

function requestAndWait(socket: OpenedSocket, request: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      socket.raw.destroy()
      reject(signal.reason as Error)
    }
    // However it closes, it is closed: a reset in place of a FIN makes no difference to what the server has done.
    socket.raw.once('close', () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.stream.resume()
    socket.stream.write(request)
  })
}

function cancelRequest({ processID, secretKey }: CancelKey): Buffer {
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(CANCEL_CODE, 4)
  request.writeInt32BE(processID, 8)
  request.writeInt32BE(secretKey, 12)
  return request
}
