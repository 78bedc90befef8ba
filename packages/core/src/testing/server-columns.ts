import type { QueryResult } from '../api/statement.js'
import { askedParameters } from '../identity/session-parameters.js'
import type { ServerIdentity } from '../server/server-identity.js'
import type { FakeParameter } from './replies.js'

/** What the form of the question asks about the server; the last form asks nothing. */
export function serverColumns(text: string, told: Partial<ServerIdentity> | Error = {}): unknown[] {
  if (told instanceof Error || !text.includes('inet_server_addr')) return []
  const { startedAt, address, port, inRecovery, systemId, timeline } = told
  const where = [startedAt, address, port, inRecovery]
  return text.includes('pg_control_system') ? [...where, systemId, timeline] : where
}

/** What the session says of the start-up parameters that it is asked for; `found` may differ. */
export function parameterColumns(
  parameters: Parameters<typeof askedParameters>[0],
  found: (name: string) => FakeParameter | undefined,
): unknown[] {
  return askedParameters(parameters).flatMap(([name, asked]) => {
    const { found: value = asked, setLater = 0, same = 1 } = found(name) ?? {}
    return [value, setLater, same]
  })
}

/** The answer that is one row. */
export function oneRow(row: unknown[]): QueryResult<unknown> {
  return { rows: [row], rowCount: 1, command: 'SELECT', fields: [] }
}
