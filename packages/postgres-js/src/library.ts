import type { ConnectionSettings } from '@poolhouse/core/kit'
import type { Library } from '@poolhouse/core/net'
import type { MakeInstance } from './instance.js'
import { LibraryInstance } from './library-instance.js'
import type { PostgresModule } from './postgres-module.js'
import { readPostgresFields } from './wire/postgres-fields.js'

/** What this copy of postgres.js brings to a session with these settings. */
export function libraryOf(
  { PostgresError }: PostgresModule,
  makeInstance: MakeInstance,
  settings: ConnectionSettings,
): Library {
  return {
    makeClient: (line) => new LibraryInstance(makeInstance, settings, line),
    errorOf: (body) => new PostgresError(readPostgresFields(body)),
  }
}
