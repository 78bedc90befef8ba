import type { WireState } from './server-state.js'

/** What a statement without a script may ask about. */
export interface AnswerContext {
  readonly state: WireState
  readonly pid: number
  readonly startup: ReadonlyMap<string, string>
  /** Settings that the session changed; SET and RESET write here. */
  readonly settings: Map<string, string>
  readonly transactionStatus: 'I' | 'T' | 'E'
  /** Whether the client's own transaction is READ ONLY. */
  readonly readOnlyTransaction: boolean
}
