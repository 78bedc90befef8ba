import type { ServerIdentity } from '../server/server-identity.js'

/** What the form of the question asks about the server; the last form asks nothing. */
export function serverColumns(text: string, told: Partial<ServerIdentity> | Error = {}): unknown[] {
  if (told instanceof Error || !text.includes('inet_server_addr')) return []
  const { startedAt, address, port, inRecovery, systemId, timeline } = told
  const where = [startedAt, address, port, inRecovery]
  return text.includes('pg_control_system') ? [...where, systemId, timeline] : where
}
