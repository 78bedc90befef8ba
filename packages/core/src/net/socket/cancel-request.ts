import type { CancelKey } from '../frames/frame-bodies.js'
import type { ConnectDeadline } from './connect-deadline.js'
import { breakTransport, type Transport } from './transport.js'

// The code of a CancelRequest, 1234.5678.
const CANCEL_CODE = 80877102

/**
 * Sends a CancelRequest over a connection opened for it. Resolves when the server has closed the
 * connection, rejects with `deadline.reason` when that comes before.
 */
export function requestCancel(
  transport: Transport,
  key: CancelKey,
  deadline: ConnectDeadline,
): Promise<void> {
  const { raw, stream } = transport
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      breakTransport(transport)
      reject(deadline.reason as Error)
    }
    // However it closes, it is closed: a reset in place of a FIN makes no difference to what the
    // server has done.
    raw.once('close', () => {
      deadline.unwatch()
      resolve()
    })
    if (!deadline.watch(onAbort)) return
    stream.resume()
    stream.write(encode(key))
  })
}

function encode({ processID, secretKey }: CancelKey): Buffer {
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(CANCEL_CODE, 4)
  request.writeInt32BE(processID, 8)
  request.writeInt32BE(secretKey, 12)
  return request
}
