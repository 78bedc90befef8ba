import {
  checkCopyFromOptions,
  checkCopyToOptions,
  checkStreamOptions,
} from '../api/call-options.js'
import { type QueryArguments, readQueryArguments, type Statement } from '../api/statement.js'
import type { CopyOptions, CopySource, CopyToOptions, StreamOptions } from '../api/streaming.js'
import { checkCopySource } from '../stream/copy-in.js'
import { refuseUnlessCopy } from './copy-text.js'

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
