import { beginsFirst } from '../api/call-options.js'
import type { QueryResult, Statement } from '../api/statement.js'
import type { Transaction, TransactionOptions } from '../api/transaction.js'
import type { Clock } from '../base/clock.js'
import type { PoolLease } from '../lease/pool-lease.js'
import { asExecuted } from '../outcome/as-executed.js'
import {
  DatabaseError,
  setExecuted,
  setStatement,
  setStatementIndex,
} from '../outcome/database-error.js'
import {
  AbortError,
  ConnectionLostError,
  InDoubtError,
  StatementTimeoutError,
} from '../outcome/errors.js'
import { isPassedOver } from '../outcome/passed-over.js'
import { PoolhouseError } from '../outcome/poolhouse-error.js'
import { isSeveral } from '../sql/is-several.js'
import type { Outcome } from '../statement/batch-run.js'
import { TOGETHER, type WithTogether } from '../statement/statement-list.js'
import { refuseUnlessCommitted, rolledBackError } from './transaction-errors.js'
import { beginStatement, IdentityOfTransaction, setsTransaction } from './transaction-identity.js'
import { TransactionLimits } from './transaction-limits.js'

const COMMIT: Statement = { text: 'COMMIT' }
const ROLLBACK: Statement = { text: 'ROLLBACK' }
const ROLLBACK_MS = 2_000

/**
 * A transaction whose statements are known before it begins: BEGIN, the statements and COMMIT are
 * one step for the server, in one round trip. With a `resolver` BEGIN goes first, because it brings
 * the identity of the transaction, without which a COMMIT whose answer is lost would stay in doubt.
 *
 * `open` → `sent` → `ended`.
 */
export class ArrayTransaction {
  readonly #pool: string
  readonly #lease: PoolLease
  readonly #options: TransactionOptions
  readonly #limits: TransactionLimits | undefined
  readonly #identity: IdentityOfTransaction | undefined
  readonly #alone: () => Promise<QueryResult[]>
  #state: 'open' | 'sent' | 'ended' = 'open'
  #hasBegun = false
  #stopError: Error | undefined

  /**
   * Takes a lease of its own and checked options. `alone` runs the statements one by one in a
   * transaction on that lease, if the driver cannot join them.
   */
  constructor(
    lease: PoolLease,
    pool: string,
    clock: Clock,
    options: TransactionOptions,
    alone: () => Promise<QueryResult[]>,
  ) {
    this.#pool = pool
    this.#lease = lease
    this.#options = options
    this.#alone = alone
    this.#limits = TransactionLimits.of(clock, options)
    this.#identity = IdentityOfTransaction.of(options)
  }

  /** Whether these statements may be sent so, as far as their texts tell. */
  static takes(
    statements: readonly Statement[],
    { resolver, readOnly }: TransactionOptions,
  ): boolean {
    const [first] = statements
    if (first === undefined || statements.some(({ text }) => isSeveral(text))) return false
    // Such a one begins a new transaction where the identity was taken.
    return resolver === undefined || readOnly === true || !setsTransaction(first.text)
  }

  /**
   * Sends BEGIN, where that goes first: what cannot be begun goes to another node, for pools over
   * pools that ask for it.
   */
  async begin(): Promise<void> {
    if (this.#identity === undefined && !beginsFirst(this.#options)) return
    const text = beginStatement(this.#options)
    try {
      const begun = await this.#lease.query({ text }, this.#allowed())
      this.#identity?.read(begun)
      this.#hasBegun = true
    } catch (error) {
      if (this.#stopError !== undefined) throw this.#stopError
      throw asUndone(error, 'no')
    }
  }

  /** What the work gets. Wrappers of it look at the node alone. */
  get given(): Transaction {
    const given: WithTogether & Pick<Transaction, 'node'> = {
      node: this.#pool,
      [TOGETHER]: (statements) => this.#run(statements),
    }
    return given as Transaction
  }

  async #run(statements: readonly Statement[]): Promise<QueryResult[]> {
    if (this.#stopError !== undefined) throw this.#stopError
    const opening: Statement[] = []
    if (!this.#hasBegun) opening.push({ text: beginStatement(this.#options) })
    if (this.#options.openWith !== undefined) opening.push(this.#options.openWith)
    this.#state = 'sent'
    let outcomes: readonly Outcome[] | undefined
    try {
      const all = [...opening, ...statements, COMMIT]
      outcomes = await this.#lease.runJoined(all, this.#allowed())
    } catch (error) {
      // Nothing was sent.
      throw inArray(error, opening.length)
    } finally {
      this.#limits?.committed()
    }
    if (outcomes !== undefined) return await this.#settle(outcomes, opening.length)
    if (this.#hasBegun) await this.#rollBack()
    this.#state = 'open'
    return await this.#alone()
  }

  /**
   * Ends the transaction from outside. Once the statements are sent with COMMIT, an abort lets the
   * answer come for a moment before it cancels; a time-out is their own.
   */
  stop(error: Error): void {
    if (this.#state === 'sent') {
      if (error instanceof AbortError) this.#limits!.stopCommit(error.cause)
    } else if (this.#state === 'open') {
      this.#stopError = error
      this.#limits!.stop(error)
    }
  }

  /** Nothing can be sent any more. */
  end(): void {
    this.#state = 'ended'
  }

  #allowed(): { timeoutMs: number | undefined; signal: AbortSignal | undefined } {
    const limits = this.#limits
    return { timeoutMs: limits?.timeoutMs(undefined), signal: limits?.signal }
  }

  /** What the caller gets. The statements of the array begin at `first`, and COMMIT is the last. */
  async #settle(outcomes: readonly Outcome[], first: number): Promise<QueryResult[]> {
    const last = outcomes.length - 1
    const failed = failedAt(outcomes)
    if (failed === -1) {
      const [commit] = valuesOf(outcomes.slice(last))
      if (commit!.command === 'ROLLBACK') throw rolledBackError(undefined)
    } else if (failed === last) {
      const { cancelSent } = this.#lease.slot
      refuseUnlessCommitted(reasonOf(outcomes, last), cancelSent, (cause) => this.#inDoubt(cause))
    } else {
      const error = reasonOf(outcomes, failed)
      const commit = reasonOf(outcomes, last)
      const isRead = this.#options.readOnly === true
      if (!isRead && mayBeCommitted(error, commit)) throw this.#openEnd(commit as PoolhouseError)
      const isStopped = error instanceof AbortError || error instanceof StatementTimeoutError
      // After a stop the caller does not wait: the connection is cleaned after its release.
      if (!isStopped) await this.#rollBack()
      throw failed < first ? asNotOpened(error) : asFailed(error, failed - first)
    }
    return valuesOf(outcomes.slice(first, last))
  }

  /** The error of a transaction whose results are lost, and which may be committed. */
  #openEnd(cause: PoolhouseError): Error {
    return cause.executed === 'yes' ? cause : this.#inDoubt(cause)
  }

  #inDoubt(cause: PoolhouseError): InDoubtError {
    return new InDoubtError(
      `COMMIT on pool "${this.#pool}" got no answer; the transaction may or may not have happened`,
      cause,
      this.#identity?.resolver(),
    )
  }

  async #rollBack(): Promise<void> {
    const { slot } = this.#lease
    if (slot.over || !slot.quiet || slot.connection!.transactionStatus() === 'idle') return
    try {
      const timeoutMs = this.#limits?.timeoutMs(ROLLBACK_MS) ?? ROLLBACK_MS
      await this.#lease.query(ROLLBACK, { timeoutMs })
    } catch {
      this.#lease.destroy('ROLLBACK failed')
    }
  }
}

function valuesOf(outcomes: readonly Outcome[]): QueryResult[] {
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
}

function reasonOf(outcomes: readonly Outcome[], index: number): unknown {
  const outcome = outcomes[index]!
  return outcome.status === 'rejected' ? outcome.reason : undefined
}

/**
 * Which statement failed; -1 for none. If the session has ended, that is the one that the server
 * had refused before, if it had: the others are told of the loss alone.
 */
function failedAt(outcomes: readonly Outcome[]): number {
  const refused = outcomes.findIndex(({ status }, index) => {
    return status === 'rejected' && reasonOf(outcomes, index) instanceof DatabaseError
  })
  if (refused !== -1) return refused
  return outcomes.findIndex(
    ({ status }, index) => status === 'rejected' && !isPassedOver(reasonOf(outcomes, index)),
  )
}

/**
 * Whether COMMIT may have been executed although a statement before it got `error`: not if the
 * server itself has refused that, because it passes over all that follows.
 */
function mayBeCommitted(error: unknown, commit: unknown): boolean {
  if (error instanceof DatabaseError || isPassedOver(commit)) return false
  return commit instanceof PoolhouseError && isOpen(commit)
}

function isOpen({ executed }: PoolhouseError): boolean {
  return executed === 'unknown' || executed === 'yes'
}

/** The error of something that COMMIT did not follow. */
function asUndone(error: unknown, executed: 'no' | 'rolled-back'): unknown {
  if (!(error instanceof PoolhouseError)) return error
  const told = asExecuted(error, executed) as PoolhouseError
  if (told !== error && error.statement !== undefined) setStatement(told, error.statement)
  if (isOpen(told)) setExecuted(told, executed)
  return told
}

/** The error of what stands in front of the array; of a lost step, that is its first. */
function asNotOpened(error: unknown): unknown {
  const isUnsent = error instanceof PoolhouseError && error.executed === 'no'
  return isUnsent ? error : asUndone(error, 'rolled-back')
}

/** The error of one statement of the array. */
function asFailed(error: unknown, index: number): unknown {
  const told = asUndone(error, 'rolled-back')
  const isOfIt = told instanceof PoolhouseError && !(told instanceof ConnectionLostError)
  if (isOfIt) setStatementIndex(told, index)
  return told
}

/** An error whose index counts what was sent in front of the array. */
function inArray(error: unknown, first: number): unknown {
  const index = error instanceof PoolhouseError ? error.statementIndex : undefined
  if (index !== undefined) setStatementIndex(error as PoolhouseError, index - first)
  return error
}
