import { performance } from 'node:perf_hooks'
import type { QueryOptions, QueryResult, Statement, StreamOptions } from '@poolhouse/core'
import { FOR_DRIVER, type WithForDriver } from '@poolhouse/core/kit'
import { DeclaredTypes, type Description } from '@poolhouse/core/net'
import type { ArrayTypes } from './array-types.js'
import { readableOf, writableOf } from './copy-streams.js'
import type { ParameterTypes } from './parameter-types.js'
import type { BaseSql, Column, PostgresQuery, SqlOptions } from './postgres-query.js'
import { columnsOf, type RowList, RowList as Rows, readRow, rowListOf } from './row-list.js'
import { statementsOf } from './several-statements.js'
import { toSqlError } from './sql-error.js'
import type { SqlTarget } from './sql-target.js'
import { type StatementWriter, serialize, type WrittenStatement } from './write-statement.js'

const FROM_STDIN = /\bfrom\s+stdin\b/i
const DEFAULT_CURSOR_ROWS = 1

/** Runs queries of postgres.js on pools, transactions and leases. */
export class QueryRunner {
  readonly #base: BaseSql
  readonly #options: SqlOptions
  readonly #writer: StatementWriter
  readonly #arrays: ArrayTypes
  readonly #types: ParameterTypes
  readonly #running = new WeakMap<PostgresQuery, AbortController>()

  /** Reads and writes values with the options of `base`. */
  constructor(base: BaseSql, writer: StatementWriter, arrays: ArrayTypes, types: ParameterTypes) {
    this.#base = base
    this.#options = base.options as unknown as SqlOptions
    this.#writer = writer
    this.#arrays = arrays
    this.#types = types
  }

  /** Runs a query and settles it. Resolves, always, when the target may run the next one. */
  async run(query: PostgresQuery, target: SqlTarget): Promise<void> {
    if (query.cancelled) return
    query.active = true
    const abort = new AbortController()
    this.#running.set(query, abort)
    try {
      await this.#arrays.known()
      const written = this.#writer.write(query)
      query.string = written.text
      query.parameters = written.values
      if (query.streaming === true) await this.#copy(query, target, written.text)
      else if (query.onlyDescribe === true) await this.#describe(query, target, written)
      else if (query.cursorFn !== undefined) this.#cursor(query, target, written, abort.signal)
      else query.resolve(await this.#rows(query, target, written, abort.signal))
    } catch (error) {
      this.#fail(query, error)
    }
  }

  /** Cancels a query: one that waits is rejected, one that runs is cancelled on the server. */
  async cancel(query: PostgresQuery): Promise<void> {
    const abort = this.#running.get(query)
    if (abort !== undefined) {
      abort.abort()
      return
    }
    query.cancelled = true
    const message = '57014: canceling statement due to user request'
    query.reject(Object.assign(new Error(message), { code: '57014' }))
  }

  /** The error as an application of postgres.js expects it. */
  translate(error: unknown, query?: PostgresQuery): unknown {
    return toSqlError(this.#base.PostgresError, error, query, this.#options.debug)
  }

  #fail(query: PostgresQuery, error: unknown): void {
    query.reject(this.translate(error, query))
  }

  async #rows(
    query: PostgresQuery,
    target: SqlTarget,
    written: WrittenStatement,
    signal: AbortSignal,
  ): Promise<RowList | RowList[]> {
    const options = { ...target.limits, signal }
    if (query.options.simple === true) return await this.#simple(query, target, written, options)
    const { types } = written
    const declared = await this.#typesOf(target, written)
    const statement = this.#statement(written, declared)
    try {
      const result = await target.query(statement, options)
      return rowListOf(query, result, { text: written.text, types: declared }, this.#options)
    } catch (error) {
      this.#types.forget(written.text, types)
      throw error
    }
  }

  /** A text without values may hold several statements, whose results are a list then. */
  async #simple(
    query: PostgresQuery,
    target: SqlTarget,
    { text }: WrittenStatement,
    options: QueryOptions,
  ): Promise<RowList | RowList[]> {
    const read = (result: QueryResult<unknown>): RowList =>
      rowListOf(query, result, { text, types: [] }, this.#options)
    const statements = statementsOf(text)
    if (statements.length === 1) return read(await target.query({ text, undecoded: true }, options))
    if (target.lent !== undefined) {
      return await target.lent(async (lease) => {
        // One implicit transaction, as in postgres.js.
        const raw = lease.raw as BaseSql
        const given = raw.unsafe(text) as unknown as PostgresQuery & { raw(): Promise<unknown> }
        return this.#rawLists(query, await given.raw())
      })
    }
    const lists: RowList[] = []
    let last: RowList | undefined
    for (const one of statements) {
      last = read(await target.query({ text: one, undecoded: true }, options))
      if ((last.columns?.length ?? 0) > 0) lists.push(last)
    }
    return lists.length > 1 ? lists : (lists[0] ?? last ?? new Rows())
  }

  /** Reads what postgres.js itself returned as buffers. */
  #rawLists(query: PostgresQuery, results: unknown): RowList | RowList[] {
    const isList = (results as Partial<RowList>).command === undefined
    if (!isList) return this.#rawList(query, results as RowList)
    return (results as RowList[]).map((result) => this.#rawList(query, result))
  }

  #rawList(query: PostgresQuery, result: RowList): RowList {
    const fields = (result.columns ?? []).map(({ name, type, table, number }) => ({
      name,
      dataTypeID: type,
      tableID: table,
      columnID: number,
      dataTypeModifier: -1,
      dataTypeSize: -1,
      format: 'text' as const,
    }))
    const rows = (result as unknown as (Buffer | null)[][]).map((row) =>
      row.map((value) => (value === null ? null : value.toString('utf8'))),
    )
    const { count, command } = result
    const read = { rows, rowCount: count, command: command ?? '', fields }
    const text = result.statement?.string ?? ''
    return rowListOf(query, read, { text, types: [] }, this.#options)
  }

  async #describe(
    query: PostgresQuery,
    target: SqlTarget,
    { text, types }: WrittenStatement,
  ): Promise<void> {
    const { types: found, fields } = await this.#ask(target, text, types)
    const columns = columnsOf(fields, this.#options)
    query.resolve({ string: text, types: found, name: '', columns })
  }

  /** Fetches batches, and waits for what is done with each. Resolves at once: the rows follow. */
  #cursor(
    query: PostgresQuery,
    target: SqlTarget,
    written: WrittenStatement,
    signal: AbortSignal,
  ): void {
    this.#batches(query, target, written, signal).then(
      (last) => query.resolve(last),
      (error) => this.#fail(query, error),
    )
  }

  async #batches(
    query: PostgresQuery,
    target: SqlTarget,
    written: WrittenStatement,
    signal: AbortSignal,
  ): Promise<RowList> {
    const batchSize = query.cursorRows ?? DEFAULT_CURSOR_ROWS
    const declared = await this.#typesOf(target, written)
    let columns: Column[] = []
    const statement = this.#statement(written, declared, (fields) => {
      columns = columnsOf(fields, this.#options)
    })
    const options: StreamOptions = { ...limitsOfStream(target.limits), batchSize, signal }
    let batch = new Rows()
    const rows = target.stream<(string | null)[]>(statement, options)
    for await (const row of rows) {
      batch.push(readRow(row, columns, query.isRaw, this.#options))
      if (batch.length < batchSize) continue
      const full = batch
      batch = new Rows()
      Object.assign(full, { count: full.length, command: 'SELECT', columns })
      if ((await query.cursorFn!(full)) === this.#base.CLOSE) return full
    }
    Object.assign(batch, { count: batch.length, command: 'SELECT', columns })
    if (batch.length > 0) await query.cursorFn!(batch)
    return batch
  }

  async #copy(query: PostgresQuery, target: SqlTarget, text: string): Promise<void> {
    const stream = await (FROM_STDIN.test(text) ? writableOf : readableOf)(target, text)
    query.resolve(stream)
  }

  #statement(
    { text, values }: WrittenStatement,
    types: readonly number[],
    columns?: DeclaredTypes['columns'],
  ): Statement & WithForDriver {
    return {
      text,
      values: serialize(values, types, this.#options),
      undecoded: true,
      [FOR_DRIVER]: new DeclaredTypes(types, { columns }),
    }
  }

  /**
   * The types by which values are serialised: those of the caller, and for the rest the server's.
   */
  async #typesOf(target: SqlTarget, { text, types }: WrittenStatement): Promise<readonly number[]> {
    if (!types.includes(0)) return types
    const known = this.#types.find(text, types, performance.now())
    if (known !== undefined) return known
    const { types: found } = await this.#ask(target, text, types)
    this.#types.keep(text, types, found, performance.now())
    return found
  }

  async #ask(target: SqlTarget, text: string, types: readonly number[]): Promise<Description> {
    let description: Description = { types, fields: [] }
    const declared = new DeclaredTypes(types, {
      describe: (found) => {
        description = found
      },
    })
    const statement: Statement & WithForDriver = {
      text,
      values: types.map(() => null),
      undecoded: true,
      [FOR_DRIVER]: declared,
    }
    await target.query(statement, target.limits)
    return description
  }
}

function limitsOfStream(limits: QueryOptions | undefined): StreamOptions {
  const { intent, maxStalenessMs, maxStalenessBytes } = limits ?? {}
  return { intent, maxStalenessMs, maxStalenessBytes }
}
