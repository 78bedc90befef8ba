import type { StatementPart } from '../protocol/split-statements.js'

/** The transaction of one session, as ReadyForQuery reports it. */
export class TransactionState {
  #status: 'I' | 'T' | 'E' = 'I'
  #readOnly = false

  get status(): 'I' | 'T' | 'E' {
    return this.#status
  }

  /** Whether the client itself began it READ ONLY. */
  get readOnly(): boolean {
    return this.#readOnly
  }

  /**
   * Whether the statement is refused with 25P02. Only the end of the transaction, or of a
   * savepoint, gets out of it.
   */
  refuses({ code }: StatementPart): boolean {
    return this.#status === 'E' && !/^\s*(commit|end|rollback|abort)\b/i.test(code)
  }

  /** A statement ended with this tag. */
  completed(tag: string, { code }: StatementPart): void {
    switch (tag) {
      case 'BEGIN':
      case 'START TRANSACTION':
        if (this.#status === 'I') this.#status = 'T'
        this.#readMode(code)
        break
      case 'COMMIT':
      case 'ROLLBACK':
      case 'PREPARE TRANSACTION':
        if (/^\s*rollback\b.*\bto\b/is.test(code)) this.#status = 'T'
        else {
          this.#status = /\band\s+chain\b/i.test(code) ? 'T' : 'I'
          this.#readOnly = this.#readOnly && this.#status === 'T'
        }
        break
      case 'SET':
        if (/^\s*set\s+(local\s+)?transaction\b/i.test(code)) this.#readMode(code)
        break
      default:
        break
    }
  }

  /** A statement failed. */
  failed(): void {
    if (this.#status === 'T') this.#status = 'E'
  }

  #readMode(code: string): void {
    if (/\bread\s+only\b/i.test(code)) this.#readOnly = true
    else if (/\bread\s+write\b/i.test(code)) this.#readOnly = false
  }
}
