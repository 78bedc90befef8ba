import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { Clock, ClockTimer } from '../base/clock.js'
import { unwatchSignal, watchSignal } from '../base/watch-signal.js'
import { AbortError, StatementTimeoutError, TransactionError } from '../outcome/errors.js'
import { failCall, type SettleCall } from '../outcome/fail-call.js'
import type { Executed } from '../outcome/outcome.js'

/** The limits of a call that waits for its turn. */
export interface TurnLimits {
  /** Longest time for the whole call, in milliseconds. */
  readonly timeoutMs?: number | undefined
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
}

interface Turn {
  /** Where it waits. */
  readonly at: TransactionScope
  /** Its turn has come: begins, synchronously. */
  begin(): void
  /** The scope is over. */
  refuse(error: Error): void
}

/**
 * Whose work the running code belongs to: a scope, and what that scope's savepoint was itself begun
 * in.
 */
interface Inside {
  readonly scope: TransactionScope
  readonly outer: Inside | undefined
}

// One store for all transactions, made when the first savepoint is used: on Node.js 20 every
// `await` costs more from then on.
let storage: AsyncLocalStorage<Inside> | undefined

/**
 * Whose turn it is among the calls of one scope of a transaction: the transaction itself, or a
 * savepoint. While a savepoint is open in it, what is begun beside that savepoint waits, first come
 * first served. What is begun by the savepoint's own work is refused at once, because its wait
 * would be for itself.
 *
 * A scope is made with the first savepoint of its transaction, and holds nothing of the connection.
 */
export class TransactionScope {
  /** The first thing that went wrong in it. */
  firstError: unknown
  /** Whether its work has rolled the whole transaction back. */
  rolledBack = false
  /**
   * Called when its promise may have been forgotten by the caller, who learns of the failure
   * elsewhere.
   */
  forgotten: (() => void) | undefined
  readonly #clock: Clock
  readonly #pool: string
  #isOver = false
  // At most one savepoint is open in a scope.
  #child: TransactionScope | undefined
  // A Set keeps the order and lets a call leave from anywhere in O(1).
  readonly #turns = new Set<Turn>()
  // What its own work has begun at other scopes and waits for its turn there.
  #waits: Set<Turn> | undefined
  #settle: SettleCall | undefined

  /** Begins with nothing open. `pool` is for messages. */
  constructor(clock: Clock, pool: string) {
    this.#clock = clock
    this.#pool = pool
  }

  /** Whether its work has settled. */
  get over(): boolean {
    return this.#isOver
  }

  /** Whether what is begun now must wait or is refused. */
  get busy(): boolean {
    return this.#child !== undefined
  }

  /**
   * Calls `start` now or when the savepoint that is open is over, with the milliseconds that it has
   * waited. Rejects with `TransactionError` if the work of that savepoint itself calls, or waits
   * for the one who calls, and with what ends the wait.
   */
  inTurn<T>(limits: TurnLimits | undefined, start: (waitedMs: number) => Promise<T>): Promise<T> {
    const open = this.#child
    if (open === undefined) return start(0)
    if (isInside(open)) return Promise.reject(outerScopeError())
    if (open.#waitsForCaller(new Set())) return Promise.reject(crossedError())
    return this.#wait(limits, start)
  }

  #wait<T>(
    { timeoutMs, signal }: TurnLimits = {},
    start: (waitedMs: number) => Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new AbortError(signal.reason, 'no')
      const since = this.#clock.now()
      let timer: ClockTimer | undefined
      const inside = storage?.getStore()
      const leave = (): void => {
        this.#turns.delete(turn)
        for (let each = inside; each !== undefined; each = each.outer) {
          each.scope.#waits?.delete(turn)
        }
        timer?.cancel()
        unwatchSignal(signal, onAbort)
      }
      const turn: Turn = {
        at: this,
        // What it begins is the caller's own work, or reads the caller's data: it belongs to that
        // async context, and not to that of the savepoint whose end it waited for.
        begin: AsyncResource.bind(() => {
          leave()
          start(this.#clock.now() - since).then(resolve, reject)
        }),
        refuse: (error) => {
          leave()
          failCall(resolve, error)
        },
      }
      const onAbort = (): void => turn.refuse(new AbortError(signal!.reason, 'no'))
      if (timeoutMs !== undefined) {
        const late = (): void =>
          turn.refuse(new StatementTimeoutError(timeoutMs, { executed: 'no', pool: this.#pool }))
        timer = this.#clock.setTimer(late, timeoutMs, { keepAlive: true })
      }
      watchSignal(signal, onAbort)
      this.#turns.add(turn)
      for (let each = inside; each !== undefined; each = each.outer) {
        each.scope.#waits ??= new Set()
        each.scope.#waits.add(turn)
      }
    })
  }

  /**
   * Whether its work waits for something that the running code belongs to, by itself or through
   * others.
   */
  #waitsForCaller(seen: Set<TransactionScope>): boolean {
    if (isInside(this)) return true
    if (this.#waits === undefined || seen.has(this)) return false
    seen.add(this)
    for (const { at } of this.#waits) {
      const open = at.#child
      if (open === undefined) continue
      if (open.#waitsForCaller(seen)) return true
    }
    return false
  }

  /** Opens a savepoint in this scope, whose turn it is. */
  enter(): TransactionScope {
    this.#child = new TransactionScope(this.#clock, this.#pool)
    return this.#child
  }

  /** The savepoint is over on the server as well: the next ones begin, up to the next savepoint. */
  leave(): void {
    this.#child = undefined
    for (const turn of this.#turns) {
      turn.begin()
      if (this.busy) return
    }
  }

  /** Runs the work of this scope, until it settles or `abandon` is called. */
  run<R>(work: () => Promise<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#settle = resolve
      storage ??= new AsyncLocalStorage()
      const inside: Inside = { scope: this, outer: storage.getStore() }
      // An async wrapper also catches what `work` throws synchronously.
      storage.run(inside, async () => await work()).then(resolve, reject)
    })
  }

  /**
   * Throws if the work has returned while a savepoint is open in it: committing half of that would
   * be a lie.
   */
  refuseOpenSavepoint(): void {
    if (this.#child === undefined) return
    this.#child.forgotten?.()
    throw new TransactionError(
      'the work returned while a savepoint that it had begun was still open; await every savepoint',
      { executed: 'rolled-back' },
    )
  }

  /** Takes no more calls. Those that wait, and what is still open in it, are refused. */
  close(errorOf: (executed: Executed) => Error): void {
    this.#isOver = true
    this.abandon(errorOf)
  }

  /**
   * The transaction is over: what waits is refused, and the work of every savepoint that is open
   * need not be waited for, except where the caller itself belongs to it or is `by`.
   */
  abandon(errorOf: (executed: Executed) => Error, by?: TransactionScope): void {
    for (const turn of [...this.#turns]) turn.refuse(errorOf('no'))
    const child = this.#child
    if (child === undefined) return
    if (by !== undefined && (child.#holds(by) || isInside(child))) child.rolledBack = true
    else if (child.#settle !== undefined) failCall(child.#settle, errorOf('rolled-back'))
    child.abandon(errorOf, by)
  }

  #holds(scope: TransactionScope): boolean {
    for (let each: TransactionScope | undefined = this; each !== undefined; each = each.#child) {
      if (each === scope) return true
    }
    return false
  }
}

/** Whether the running code belongs to the work of the scope, or to something begun in it. */
function isInside(scope: TransactionScope): boolean {
  for (let each = storage?.getStore(); each !== undefined; each = each.outer) {
    if (each.scope === scope) return true
  }
  return false
}

function outerScopeError(): TransactionError {
  return new TransactionError(
    "this call is on an outer scope of the transaction, from inside the work of a savepoint: use the argument of the savepoint's callback, as in tx.savepoint((sp) => sp.query(…))",
  )
}

function crossedError(): TransactionError {
  return new TransactionError(
    'this call would wait for a savepoint of another transaction whose work waits for the savepoint that this call belongs to; take their turns in one order',
  )
}
