import type { ClientNames } from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'

/**
 * Statement texts by name. Inherits nothing, so that `constructor` is no known name. A class,
 * because V8 makes a slow hash table of an `Object.create(null)`.
 */
class StatementList {
  [name: string]: string
}
Object.setPrototypeOf(StatementList.prototype, null)
Reflect.deleteProperty(StatementList.prototype, 'constructor')

/**
 * Returns access to the lists of named statements that `pg` keeps. They hold statements that the
 * borrower of the client prepares, and those of the lease with a name given by the caller.
 */
export function clientNames(wire: PgWire): ClientNames {
  wire.parsedStatements = new StatementList()
  wire.submittedNamedStatements = new StatementList()
  return {
    textOf: (name) => wire.parsedStatements[name] ?? wire.submittedNamedStatements[name],
    prepared: (name, text) => {
      wire.parsedStatements[name] = text
    },
    forget: (name) => {
      if (name === undefined) wire.parsedStatements = new StatementList()
      else delete wire.parsedStatements[name]
    },
  }
}
