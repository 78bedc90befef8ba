import type { Attributes } from '@opentelemetry/api'
import type { Endpoint } from '@poolhouse/core'
import { hideStrings } from '@poolhouse/core/sql'

/** What attributes say of the server of a pool. */
export function serverAttributes({ host, port, database }: Endpoint): Attributes {
  const hasPort = port !== 5432 && !host.startsWith('/')
  return {
    'db.system.name': 'postgresql',
    'db.namespace': database,
    'server.address': host,
    ...(hasPort && { 'server.port': port }),
  }
}

/** What attributes say of a pool of connections. */
export function poolAttributes(name: string): Attributes {
  return { 'db.client.connection.pool.name': name }
}

/** What spans say of a statement: nothing that its values could be read from. */
export function queryAttributes(of: Attributes, summary: string, text: string): Attributes {
  return Object.freeze({ ...of, 'db.query.summary': summary, 'db.query.text': hideStrings(text) })
}
