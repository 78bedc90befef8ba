import { DatabaseError } from './database-error.js'

// The names are those of PostgreSQL's appendix "Error Codes". Only what a package asks for by
// itself is here; what a code means for sessions, outcomes and nodes is in sqlstate.ts.
const CODES = {
  warning: '01000',
  feature_not_supported: '0A000',
  division_by_zero: '22012',
  invalid_parameter_value: '22023',
  unique_violation: '23505',
  invalid_transaction_termination: '2D000',
  in_failed_sql_transaction: '25P02',
  invalid_sql_statement_name: '26000',
  invalid_authorization_specification: '28000',
  invalid_password: '28P01',
  invalid_schema_name: '3F000',
  serialization_failure: '40001',
  deadlock_detected: '40P01',
  insufficient_privilege: '42501',
  syntax_error: '42601',
  undefined_column: '42703',
  undefined_object: '42704',
  duplicate_object: '42710',
  undefined_function: '42883',
  undefined_table: '42P01',
  duplicate_prepared_statement: '42P05',
  duplicate_table: '42P07',
  object_not_in_prerequisite_state: '55000',
  lock_not_available: '55P03',
  query_canceled: '57014',
  admin_shutdown: '57P01',
  undefined_file: '58P01',
  internal_error: 'XX000',
} as const

/** A condition by PostgreSQL's name for its SQLSTATE. */
export type Condition = keyof typeof CODES

/** Whether the SQLSTATE is that of one of the conditions. */
export function isCondition(code: string | undefined, ...names: readonly Condition[]): boolean {
  return names.some((name) => CODES[name] === code)
}

/**
 * Whether the server refused the statement with one of these conditions. For statements of our own,
 * whose reasons to fail are known: any function of the user's can raise any of them.
 */
export function hasCondition(error: unknown, ...names: readonly Condition[]): boolean {
  return (
    error instanceof DatabaseError &&
    error.severity === 'ERROR' &&
    isCondition(error.code, ...names)
  )
}

// Classes 08, 53, 57 and 58 are about the connection, resources, an operator and the machine; the
// others say that the transaction has failed or met another one.
const BESIDE = /^(?:08|53|57|58|40)...$|^(?:25P02|55P03)$/

/**
 * Whether the code has nothing to do with how a statement was parsed, so that to parse it anew is
 * of no use.
 */
export function isBesideTheStatement(code: string): boolean {
  return BESIDE.test(code)
}
