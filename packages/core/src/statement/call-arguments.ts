import {
  checkBatchOptions,
  checkCopyFromOptions,
  checkCopyToOptions,
  checkQueryOptions,
  checkStreamOptions,
} from '../api/call-options.js'
import {
  type BatchOptions,
  type QueryArguments,
  type QueryOptions,
  readQueryArguments,
  type Statement,
} from '../api/statement.js'
import type { CopyOptions, CopySource, CopyToOptions, StreamOptions } from '../api/streaming.js'
import { describeValue } from '../base/option-check.js'

import { refuseUnlessCopy } from './copy-text.js'
import { takeStatements } from './statement-list.js'

/**
 * `readQueryArguments`, with checked options. Throws `TypeError` or `RangeError` for wrong
 * arguments.
 */
export function readQueryCall(
  first: string | Statement,
  second?: readonly unknown[] | QueryOptions,
  third?: QueryOptions,
): QueryArguments {
  const read = readQueryArguments(first, second, third)
  if (read.options !== undefined) checkQueryOptions(read.options)
  return read
}

/**
 * The arguments of `batch`, taken as they are now. Throws `TypeError` or `RangeError` for wrong
 * ones; `call` is the name in its message.
 */
export function readBatchCall(
  call: string,
  statements: readonly (Statement | string)[],
  options: BatchOptions | undefined,
): { readonly statements: readonly Statement[]; readonly options: BatchOptions | undefined } {
  const taken = takeStatements(call, statements)
  if (options === undefined) return { statements: taken, options }
  checkBatchOptions(options)
  return { statements: taken, options: { ...options } }
}

/**
 * Brings both call forms of `stream` into one shape. Throws `TypeError` or `RangeError` for wrong
 * arguments.
 */
export function readStreamArguments(
  first: string | Statement,
  second?: readonly unknown[] | StreamOptions,
  third?: StreamOptions,
): QueryArguments<StreamOptions> {
  const read = readQueryArguments<StreamOptions>(first, second, third, 'stream')
  if (read.options !== undefined) checkStreamOptions(read.options)
  return read
}

/** Checks the arguments of `copyTo`. Throws `TypeError` or `RangeError`. */
export function checkCopyToArguments(sql: string, options: CopyToOptions | undefined): void {
  refuseUnlessCopy(sql, 'to')
  if (options !== undefined) checkCopyToOptions(options)
}

/** Checks the arguments of `copyFrom`. Throws `TypeError` or `RangeError`. */
export function checkCopyFromArguments(
  sql: string,
  source: CopySource,
  options: CopyOptions | undefined,
): void {
  refuseUnlessCopy(sql, 'from')
  checkCopySource(source)
  if (options !== undefined) checkCopyFromOptions(options)
}

/** Checks that something is a source. Throws `TypeError`. */
function checkCopySource(source: unknown): void {
  const given = source as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined
  const fits =
    typeof source === 'string' ||
    (typeof source === 'object' &&
      !(source instanceof Uint8Array) &&
      (typeof given?.[Symbol.asyncIterator] === 'function' ||
        typeof given?.[Symbol.iterator] === 'function'))
  if (fits) return
  throw new TypeError(
    `copyFrom: source must be an iterable or async iterable of strings or Uint8Arrays, such as a Readable or an array, got ${
      source instanceof Uint8Array ? 'a Uint8Array; wrap it in an array' : describeValue(source)
    }`,
  )
}
