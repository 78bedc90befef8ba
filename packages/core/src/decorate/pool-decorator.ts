import { checkAcquireOptions, checkReadyOptions } from '../api/call-options.js'
import type { CopyResult } from '../api/driver.js'
import type { PoolEventName, PoolListener } from '../api/events.js'
import type { Lease } from '../api/lease.js'
import type { AcquireOptions, CloseOptions, Pool, ReadyOptions } from '../api/pool.js'
import type { QueryOptions, QueryResult, Statement } from '../api/statement.js'
import type { PoolStats } from '../api/stats.js'
import type {
  CopyOptions,
  CopySource,
  CopyToOptions,
  StreamArguments,
  StreamIterator,
  StreamOptions,
} from '../api/streaming.js'
import {
  checkListenArguments,
  type ListenOptions,
  type NotifyListener,
  type Subscription,
} from '../api/subscription.js'
import {
  checkTransactionOptions,
  type Transaction,
  type TransactionOptions,
} from '../api/transaction.js'
import { hintAtPgPool } from '../api/words-of-pg.js'
import { checkFunction } from '../base/option-check.js'
import {
  checkCopyFromArguments,
  checkCopyToArguments,
  readQueryCall,
  readStreamArguments,
} from '../statement/call-arguments.js'
import { readWork } from '../statement/statement-list.js'
import {
  AcquireCall,
  CopyFromCall,
  ListenCall,
  type PoolCall,
  QueryCall,
  ReadyCall,
  TransactionCall,
  UseCall,
} from './pool-call.js'
import { readable, stateOfPool } from './readable.js'
import { CopyToCall, SentStream, StreamCall } from './sent-stream.js'

/**
 * A pool over other pools: `send` says where a call goes, and the call goes there whole. So nothing
 * that its caller said can be lost on the way, whatever options calls will have. Arguments are
 * checked and taken at the call: `stream` and `copyTo` throw `TypeError` or `RangeError` at once,
 * the others reject. `stream` and `copyTo` are sent at their first `next()`.
 *
 * Any method may be overridden where a call must be faster, refused, or another one.
 */
export abstract class PoolDecorator implements Pool {
  static {
    hintAtPgPool(PoolDecorator)
    readable(PoolDecorator, 'Pool', stateOfPool)
  }

  /** See `Pool`. */
  abstract readonly name: string

  /**
   * Makes a call where it belongs: `call.run(pool)`. What it throws is a rejection of the call. It
   * may wait first, and then watches `call.signal` and counts its wait against `call.timeoutMs`
   * (`call.run(pool, { timeoutMs })` hands on what is left).
   */
  protected abstract send<R>(call: PoolCall<R>): Promise<R>

  /** See `Pool`. */
  abstract stats(): PoolStats
  /** See `PoolEventEmitter`. */
  abstract on<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this
  /** See `PoolEventEmitter`. */
  abstract off<Name extends PoolEventName>(event: Name, listener: PoolListener<Name>): this
  /**
   * See `Pool`. A decorator closes what it was given; a view of another pool closes itself only.
   */
  abstract close(options?: CloseOptions): Promise<void>

  /** See `Queryable`. */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<Row>>
  /** See `Queryable`. */
  query<Row = Record<string, unknown>>(
    statement: Statement,
    options?: QueryOptions,
  ): Promise<QueryResult<Row>>
  query<Row>(
    first: string | Statement,
    second?: readonly unknown[] | QueryOptions,
    third?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    try {
      const { statement, options } = readQueryCall(first, second, third)
      return this.send(new QueryCall<Row>(statement, options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** See `Pool`. */
  acquire(options?: AcquireOptions): Promise<Lease> {
    try {
      if (options !== undefined) checkAcquireOptions(options)
      return this.send(new AcquireCall(undefined, options && { ...options }))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** See `Pool`. */
  use<R>(work: (lease: Lease) => Promise<R>, options?: AcquireOptions): Promise<R> {
    try {
      checkFunction('use', work, 'work')
      if (options !== undefined) checkAcquireOptions(options)
      return this.send(new UseCall(work, options && { ...options }))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** See `Pool`. */
  transaction<R>(work: (tx: Transaction) => Promise<R>, options?: TransactionOptions): Promise<R>
  /** See `Pool`. */
  transaction(
    statements: readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<QueryResult[]>
  transaction<R>(
    given: ((tx: Transaction) => Promise<R>) | readonly (Statement | string)[],
    options?: TransactionOptions,
  ): Promise<R> {
    try {
      const work = readWork(given)
      if (options !== undefined) checkTransactionOptions(options)
      return this.send(new TransactionCall(work, options && { ...options }))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** See `Streamable`. */
  stream<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: StreamOptions,
  ): StreamIterator<Row>
  /** See `Streamable`. */
  stream<Row = Record<string, unknown>>(
    statement: Statement,
    options?: StreamOptions,
  ): StreamIterator<Row>
  stream<Row>(...args: StreamArguments): StreamIterator<Row> {
    const { statement, options } = readStreamArguments(...args)
    const call = new StreamCall<Row>(statement, options)
    return new SentStream(call, () => this.send(call))
  }

  /** See `Streamable`. */
  copyTo(sql: string, options?: CopyToOptions): StreamIterator<Uint8Array> {
    checkCopyToArguments(sql, options)
    const call = new CopyToCall(sql, options && { ...options })
    return new SentStream(call, () => this.send(call))
  }

  /** See `Streamable`. */
  async copyFrom(sql: string, source: CopySource, options?: CopyOptions): Promise<CopyResult> {
    checkCopyFromArguments(sql, source, options)
    return await this.send(new CopyFromCall(sql, source, options && { ...options }))
  }

  /** See `Pool`. */
  async listen(
    channel: string,
    onNotify: NotifyListener,
    options?: ListenOptions,
  ): Promise<Subscription> {
    checkListenArguments(channel, onNotify, options)
    return await this.send(new ListenCall(channel, onNotify, options && { ...options }))
  }

  /** See `Pool`: ready when the pool is to which the call is sent. */
  async ready(options?: ReadyOptions): Promise<void> {
    if (options !== undefined) checkReadyOptions(options)
    return await this.send(new ReadyCall(undefined, options && { ...options }))
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
