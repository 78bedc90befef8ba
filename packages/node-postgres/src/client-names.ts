import type { ClientNames } from '@poolhouse/core/net'
import type { PgWire } from './pg-module.js'

/**
 * Statement names and texts. Nothing is inherited, or `constructor` would be the name of a known
 * statement; made by a class, because what `Object.create(null)` makes is a hash table from the
 * start.
 */
class StatementList {
  [name: string]: string
}
Object.setPrototypeOf(StatementList.prototype, null)
Reflect.deleteProperty(StatementList.prototype, 'constructor')

/**
 * The lists that `pg` keeps of named statements. Those that the owner of a client prepares on it
 * are in them, and those that the driver prepares under the names of callers.
 */
export function clientNames(wire: PgWire): ClientNames {
  wire.parsedStatements = new StatementList()
  wire.submittedNamedStatements = new StatementList()
  return {
    textOf: (name) => wire.parsedStatements[name] ?? wire.submittedNamedStatements[name],
    forget: (name) => {
      if (name === undefined) wire.parsedStatements = new StatementList()
      else delete wire.parsedStatements[name]
    },
  }
}
