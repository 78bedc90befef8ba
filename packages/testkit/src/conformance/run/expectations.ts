import assert from 'node:assert/strict'
import { inspect, isDeepStrictEqual } from 'node:util'

/** What some properties of a value must be; a regular expression is matched against text. */
export type Properties = Readonly<Record<string, unknown>>

/** The error of what was under way when its session was lost. */
export const LOST: Properties = {
  name: 'ConnectionLostError',
  code: 'POOLHOUSE_CONNECTION_LOST',
  executed: 'unknown',
}

/** The error of what came too late for a session that was lost. */
export const TOO_LATE: Properties = { ...LOST, executed: 'no' }

/** Checks some properties of a value, in depth: what is not named may be anything. */
export function assertHas(actual: unknown, expected: Properties, what = 'the value'): void {
  const wrong = differences(actual, expected, '')
  if (wrong.length > 0) {
    assert.fail(`${what} is not as expected: ${wrong.join('; ')}\n${inspect(actual, { depth: 3 })}`)
  }
}

/** The names of the columns of a result, or of whatever has one. */
export function namesOf(named: readonly { readonly name: string }[]): string[] {
  return named.map(({ name }) => name)
}

function differences(actual: unknown, expected: Properties, path: string): string[] {
  return Object.entries(expected).flatMap(([name, wanted]) => {
    const where = `${path}${name}`
    const value = (actual as Properties | null | undefined)?.[name]
    if (wanted instanceof RegExp) {
      return typeof value === 'string' && wanted.test(value)
        ? []
        : [`${where} is ${inspect(value)}, not like ${String(wanted)}`]
    }
    if (isPlain(wanted)) {
      return typeof value === 'object' && value !== null
        ? differences(value, wanted, `${where}.`)
        : [`${where} is ${inspect(value)}, not an object`]
    }
    return isDeepStrictEqual(value, wanted)
      ? []
      : [`${where} is ${inspect(value)}, not ${inspect(wanted)}`]
  })
}

function isPlain(value: unknown): value is Properties {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  )
}

/**
 * The error a promise rejects with, which must have these properties. Rejects if the promise
 * resolves.
 */
export async function failureOf<E extends Error = Error>(
  promise: Promise<unknown>,
  expected: Properties = {},
): Promise<E> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    assert.ok(error instanceof Error, `it rejected with ${inspect(error)}, which is no error`)
    assertHas(error, expected, `the error "${error.message}"`)
    return error as E
  }
  assert.fail(
    `it was to reject with ${inspect(expected)} and resolved with ${inspect(value, { depth: 2 })}`,
  )
}
