import type { ConnectionSettings } from '@poolhouse/core/kit'
import { type Library, readFields } from '@poolhouse/core/net'
import { LibraryPgClient } from './library-client.js'
import type { PgModule } from './pg-module.js'

type ErrorClass = new (message: string, length: number, name: string) => Error

// The fields of an ErrorResponse by their letters, under the names that `pg` gives them.
const PG_NAMES: readonly (readonly [letter: string, name: string])[] = [
  ['S', 'severity'],
  ['C', 'code'],
  ['D', 'detail'],
  ['H', 'hint'],
  ['P', 'position'],
  ['p', 'internalPosition'],
  ['q', 'internalQuery'],
  ['W', 'where'],
  ['s', 'schema'],
  ['t', 'table'],
  ['c', 'column'],
  ['d', 'dataType'],
  ['n', 'constraint'],
  ['F', 'file'],
  ['L', 'line'],
  ['R', 'routine'],
]
// Length and kind of a message are no part of its body.
const LENGTH = 4

/** What this copy of `pg` brings to a session with these settings. */
export function libraryOf(pg: PgModule, settings: ConnectionSettings): Library {
  return {
    makeClient: (line) => new LibraryPgClient(pg, settings, line),
    errorOf: (body) => errorOf(pg, body),
  }
}

/** The error of `pg` for the body of an ErrorResponse, as its own parser makes it. */
function errorOf({ DatabaseError }: PgModule, body: Buffer): Error {
  const fields = readFields(body)
  const message = fields['M'] ?? ''
  const error =
    typeof DatabaseError === 'function'
      ? new (DatabaseError as ErrorClass)(message, LENGTH + body.length, 'error')
      : Object.assign(new Error(message), { name: 'error' })
  const said = error as unknown as Record<string, string | undefined>
  for (const [letter, name] of PG_NAMES) said[name] = fields[letter]
  return error
}
