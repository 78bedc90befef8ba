import type { TransactionStatus } from '../../api/driver.js'
import type { CancelKey } from './frame-bodies.js'

const STATUS: Readonly<Record<TransactionStatus, string>> = {
  idle: 'I',
  active: 'T',
  failed: 'E',
  unknown: 'I',
}

/**
 * What a server sends at the end of a log-in, for a client that is to take itself for connected:
 * AuthenticationOk, ParameterStatus, BackendKeyData and ReadyForQuery.
 */
export function admission(
  parameters: ReadonlyMap<string, string>,
  key: CancelKey | undefined,
  status: TransactionStatus,
): Buffer {
  const messages = [message('R', Buffer.alloc(4))]
  for (const [name, value] of parameters) {
    messages.push(message('S', Buffer.from(`${name}\0${value}\0`)))
  }
  if (key !== undefined) {
    const body = Buffer.alloc(8)
    body.writeInt32BE(key.processID, 0)
    body.writeInt32BE(key.secretKey, 4)
    messages.push(message('K', body))
  }
  messages.push(message('Z', Buffer.from(STATUS[status])))
  return Buffer.concat(messages)
}

function message(kind: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}
