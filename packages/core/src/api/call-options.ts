import { MAX_MS } from '../base/clock.js'
import {
  checkNumber,
  checkOptions,
  checkSignal,
  checkTimeout,
  describeValue,
  type OptionCheck,
  type OptionChecks,
  optionChecks,
} from '../base/option-check.js'

const checkBound: OptionCheck = (where, bound, name) =>
  checkNumber(where, name, bound, { min: 0, max: Number.POSITIVE_INFINITY })

/** The checks of the bounds of a read. */
export const STALENESS: Readonly<Record<string, OptionCheck>> = {
  maxStalenessMs: checkBound,
  maxStalenessBytes: checkBound,
}

/** The checks of the limits of a call. */
export const LIMITS: Readonly<Record<string, OptionCheck>> = {
  signal: checkSignal,
  timeoutMs: checkTimeout,
}

const READ: Readonly<Record<string, OptionCheck>> = { intent: checkIntent, ...STALENESS }
const LIMIT_CHECKS: OptionChecks = optionChecks(LIMITS)
const READ_CHECKS: OptionChecks = optionChecks({ ...LIMITS, ...READ })
const ACQUIRE_CHECKS: OptionChecks = optionChecks({
  ...LIMITS,
  priority: (where, priority, name) =>
    checkNumber(where, name, priority, { min: -1_000, max: 1_000, integer: true }),
  ...READ,
})
const STREAM_CHECKS: OptionChecks = optionChecks({
  batchSize: (where, size, name) =>
    checkNumber(where, name, size, { min: 1, max: MAX_MS, integer: true }),
  signal: checkSignal,
  ...READ,
})

/** Checks the options of `query`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkQueryOptions(options: object): void {
  checkOptions('query', options, READ_CHECKS)
}

/** Checks the options of `batch`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkBatchOptions(options: object): void {
  checkOptions('batch', options, LIMIT_CHECKS)
}

/** Checks the options of `stream`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkStreamOptions(options: object): void {
  checkOptions('stream', options, STREAM_CHECKS)
}

/** Checks the options of `copyFrom`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkCopyFromOptions(options: object): void {
  checkOptions('copyFrom', options, LIMIT_CHECKS)
}

/** Checks the options of `copyTo`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkCopyToOptions(options: object): void {
  checkOptions('copyTo', options, READ_CHECKS)
}

/**
 * Checks the options of `acquire` and `use`. Throws `TypeError` or `RangeError` naming option and
 * value.
 */
export function checkAcquireOptions(options: object): void {
  checkOptions('acquire', options, ACQUIRE_CHECKS)
}

/** Checks the options of `ready`. Throws `TypeError` or `RangeError` naming option and value. */
export function checkReadyOptions(options: object): void {
  checkOptions('ready', options, LIMIT_CHECKS)
}

function checkIntent(where: string, intent: unknown): void {
  if (intent !== 'read' && intent !== 'write') {
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

/**
 * Key of an option of `transaction`: true has `work` called only after the server has answered
 * BEGIN, instead of sending BEGIN with the first statement of `work`. A symbol, because it is for
 * pools that are built on pools: what failed before `work` was called they send to another server.
 */
export const BEGIN_FIRST: unique symbol = Symbol('poolhouse.beginFirst')

/** Options that may ask for it. */
export interface WithBeginFirst {
  /** Whether BEGIN is answered first. */
  readonly [BEGIN_FIRST]?: boolean | undefined
}

/** Whether options ask for it. */
export function beginsFirst(options: object): boolean {
  return (options as WithBeginFirst)[BEGIN_FIRST] === true
}
