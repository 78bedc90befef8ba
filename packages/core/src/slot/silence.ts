import type { Statement } from '../api/statement.js'
import type { Slot } from './slot.js'

/**
 * Since when a connection has waited for the server and heard nothing, on the monotonic clock;
 * undefined if the server owes it no answer. `silentForMs()`, by which failover looks at nodes, and
 * the watchdog of a pool both follow this rule.
 *
 * Between two fetches of a stream or a copy the reader is silent, not the server; while `copyFrom`
 * waits for its source, the source is. A lease with no statement in flight waits for nothing, in a
 * transaction or not.
 */
export function silentSince({ connection, occupant, sentAt }: Slot): number | undefined {
  if (connection === undefined || connection.inFlight === 0) return undefined
  return occupant?.asking === false ? undefined : Math.max(connection.lastByteAt, sentAt)
}

// 256 kbit/s. A server that has half of a statement is as idle as one that has none of it.
const SLOWEST_UPLOAD_BYTES_PER_MS = 32

/**
 * Most bytes that `copyFrom` sends in one message. A server counts the data of a COPY message by
 * message, so small messages show soon that data arrives. Larger ones are no faster.
 */
export const COPY_PIECE_BYTES = 16_384
/** How long one such message may take to reach a server over a slow line, in milliseconds. */
export const COPY_PIECE_MS: number = COPY_PIECE_BYTES / SLOWEST_UPLOAD_BYTES_PER_MS

/**
 * How long the statement in flight may take to reach a server over a slow line, in milliseconds.
 * Lengths of texts stand for their bytes.
 */
export function uploadMs({ running }: Slot): number {
  if (running === undefined) return 0
  const bytes = typeof running === 'number' ? running : sizeOf(running)
  return bytes / SLOWEST_UPLOAD_BYTES_PER_MS
}

/** How much of a statement goes over the line. Lengths of texts stand for their bytes. */
export function sizeOf({ text, values }: Statement): number {
  let size = text.length
  for (const value of values ?? []) {
    if (typeof value === 'string' || value instanceof Uint8Array) size += value.length
  }
  return size
}
