import { DatabaseError } from '@poolhouse/core'
import {
  type FactsRow,
  factsStatement,
  printable,
  readBoolean,
  readFacts,
  readText,
  SERVER_COLUMNS,
  type ServerFacts,
} from '@poolhouse/core/kit'
import type { ServerLine } from './server-line.js'

/** The role that a server says it has. */
type ServerRole = 'primary' | 'primary-read-only' | 'replica'

/** What a server says about itself. */
export interface ServerState extends ServerFacts {
  /** Its role. */
  readonly role: ServerRole
  /** Version of PostgreSQL, such as `18.1`. */
  readonly version: string
  /** Address and port as the server sees them. */
  readonly place: string | undefined
  /** How long the answer took, in milliseconds. */
  readonly answerMs: number
}

const MORE = [
  "pg_catalog.current_setting('server_version') as version",
  "pg_catalog.current_setting('default_transaction_read_only') as read_only",
  `${SERVER_COLUMNS.place} as place`,
]

/**
 * Asks a server what it is. Services that hide the functions for positions and history are asked
 * for the role alone.
 */
export async function askState(line: ServerLine): Promise<ServerState> {
  const began = performance.now()
  const row = await askRow(line)
  const facts = readFacts(row)
  const isReadOnly = readBoolean(row['read_only']) === true
  return {
    ...facts,
    role: facts.inRecovery ? 'replica' : isReadOnly ? 'primary-read-only' : 'primary',
    version: printable(readText(row['version']) ?? 'unknown').split(' ', 1)[0]!,
    place: readText(row['place']),
    answerMs: performance.now() - began,
  }
}

async function askRow(line: ServerLine): Promise<FactsRow & Readonly<Record<string, unknown>>> {
  const ask = (all: boolean) =>
    line.ask<Record<string, unknown>>(factsStatement({ history: all, positions: all }, MORE))
  try {
    return (await ask(true))[0]!
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    return (await ask(false))[0]!
  }
}
