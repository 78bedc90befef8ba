import type { TransactionStatus } from '../../api/driver.js'

/** Translates the byte of ReadyForQuery, given as a number. */
export function statusOf(byte: number): TransactionStatus {
  switch (byte) {
    case 0x49:
      return 'idle'
    case 0x54:
      return 'active'
    case 0x45:
      return 'failed'
    default:
      return 'unknown'
  }
}
