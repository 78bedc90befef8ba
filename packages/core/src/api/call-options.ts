import { MAX_MS } from '../base/clock.js'
import {
  checkNumber,
  checkSignal,
  checkTimeout,
  describeValue,
  refuseUnknownOptions,
} from '../base/option-check.js'

const QUERY_OPTIONS: ReadonlySet<string> = new Set([
  'signal',
  'timeoutMs',
  'intent',
  'maxStalenessMs',
  'maxStalenessBytes',
])
const ACQUIRE_OPTIONS: ReadonlySet<string> = new Set([
  'timeoutMs',
  'signal',
  'priority',
  'intent',
  'maxStalenessMs',
  'maxStalenessBytes',
])
const STREAM_OPTIONS: ReadonlySet<string> = new Set([
  'batchSize',
  'signal',
  'intent',
  'maxStalenessMs',
  'maxStalenessBytes',
])
const COPY_OPTIONS: ReadonlySet<string> = new Set(['signal', 'timeoutMs'])
const COPY_TO_OPTIONS: ReadonlySet<string> = new Set([
  'signal',
  'timeoutMs',
  'intent',
  'maxStalenessMs',
  'maxStalenessBytes',
])
const READY_OPTIONS: ReadonlySet<string> = new Set(['timeoutMs', 'signal'])

/** What all calls have in common. */
interface CallOptions {
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
  intent?: string | undefined
}

/** Checks the options of `query`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkQueryOptions(options: object): void {
  refuseUnknownOptions('query', options, QUERY_OPTIONS)
  checkCommon('query', options)
  checkStaleness('query', options)
}

/** Checks the options of `stream`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkStreamOptions(options: object): void {
  refuseUnknownOptions('stream', options, STREAM_OPTIONS)
  checkCommon('stream', options)
  checkStaleness('stream', options)
  const { batchSize } = options as { batchSize?: unknown }
  if (batchSize !== undefined) {
    checkNumber('stream', 'batchSize', batchSize, { min: 1, max: MAX_MS, integer: true })
  }
}

/** Checks the options of `copyFrom`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkCopyFromOptions(options: object): void {
  refuseUnknownOptions('copyFrom', options, COPY_OPTIONS)
  checkCommon('copyFrom', options)
}

/** Checks the options of `copyTo`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkCopyToOptions(options: object): void {
  refuseUnknownOptions('copyTo', options, COPY_TO_OPTIONS)
  checkCommon('copyTo', options)
  checkStaleness('copyTo', options)
}

/** Checks the bounds of a read. Throws `TypeError` or `RangeError` naming option and value. */
export function checkStaleness(
  where: string,
  options: { maxStalenessMs?: unknown; maxStalenessBytes?: unknown },
): void {
  for (const name of ['maxStalenessMs', 'maxStalenessBytes'] as const) {
    const bound = options[name]
    if (bound !== undefined) {
      checkNumber(where, name, bound, { min: 0, max: Number.POSITIVE_INFINITY })
    }
  }
}

/**
 * Checks the options of `acquire` and `use`. Throws `TypeError` or `RangeError` naming option and
 * value.
 */
export function checkAcquireOptions(options: object): void {
  refuseUnknownOptions('acquire', options, ACQUIRE_OPTIONS)
  checkCommon('acquire', options)
  checkStaleness('acquire', options)
  const { priority } = options as { priority?: unknown }
  if (priority !== undefined) {
    checkNumber('acquire', 'priority', priority, { min: -1_000, max: 1_000, integer: true })
  }
}

/** Checks the options of `ready`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkReadyOptions(options: object): void {
  refuseUnknownOptions('ready', options, READY_OPTIONS)
  checkCommon('ready', options)
}

function checkCommon(where: string, options: CallOptions): void {
  const { timeoutMs, signal, intent } = options
  if (timeoutMs !== undefined) checkTimeout(where, timeoutMs)
  checkSignal(where, signal)
  if (intent !== undefined && intent !== 'read' && intent !== 'write') {
    throw new TypeError(`${where}: intent must be "read" or "write", got ${describeValue(intent)}`)
  }
}

/**
 * Key of an option of `transaction` and `acquire`: true has the session reset in front of the
 * borrower's first statement and once more after its last, whatever the pool's `reset` says. A
 * symbol, because it is for pools that are built on pools: a manager's tenants that share
 * connections. Behind a pooler it does nothing.
 */
export const RESET_AROUND: unique symbol = Symbol('poolhouse.resetAround')

/** Options that may ask for it. */
export interface WithResetAround {
  /** Whether the session is reset in front and behind. */
  readonly [RESET_AROUND]?: boolean | undefined
}

/** Whether options ask for it. */
export function resetsAround(options: object | undefined): boolean {
  return options !== undefined && (options as WithResetAround)[RESET_AROUND] === true
}
