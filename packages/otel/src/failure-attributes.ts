import type { Attributes } from '@opentelemetry/api'
import { DatabaseError } from '@poolhouse/core'

/**
 * What attributes say of a failure: the SQLSTATE of an error of the server, else the name of the
 * error. Never its message, which may hold a value.
 */
export function failureAttributes(error: unknown): Attributes {
  if (error instanceof DatabaseError) {
    return { 'error.type': error.code, 'db.response.status_code': error.code }
  }
  return { 'error.type': typeNameOf(error) }
}

/** What tells failures apart: see `failureAttributes`. */
export function failureType(error: unknown): string {
  return error instanceof DatabaseError ? error.code : typeNameOf(error)
}

function typeNameOf(error: unknown): string {
  return error instanceof Error ? error.name : '_OTHER'
}
