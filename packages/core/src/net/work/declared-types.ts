import {
  type FieldInfo,
  FOR_DRIVER,
  type Statement,
  type WithForDriver,
} from '../../api/statement.js'

/** What the server says of a statement without running it. */
export interface Description {
  /** OID of the type of each parameter. */
  readonly types: readonly number[]
  /** The columns of the result; empty if it has none. */
  readonly fields: readonly FieldInfo[]
}

/**
 * What the routed `sql` of postgres.js tells a session about a statement: the types of its values,
 * as postgres.js declares them. Without a declaration PostgreSQL infers each type from the place of
 * the value.
 */
export class DeclaredTypes {
  /** OID of the type of each value; 0 leaves it to the server. */
  readonly types: readonly number[]
  /**
   * If set, the statement is only described, not run, and this gets the description before the call
   * resolves.
   */
  readonly describe: ((description: Description) => void) | undefined
  /** Gets the columns of the result as soon as they are known. */
  readonly columns: ((fields: readonly FieldInfo[]) => void) | undefined

  /** Takes the types, and the callbacks if there are any. */
  constructor(
    types: readonly number[],
    callbacks: Partial<Pick<DeclaredTypes, 'describe' | 'columns'>> = {},
  ) {
    this.types = types
    this.describe = callbacks.describe
    this.columns = callbacks.columns
  }
}

/** The declared types of a statement, if it has any. */
export function declaredOf(statement: Statement): DeclaredTypes | undefined {
  const told = (statement as WithForDriver)[FOR_DRIVER]
  return told instanceof DeclaredTypes ? told : undefined
}
