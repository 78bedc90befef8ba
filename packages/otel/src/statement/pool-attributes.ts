import type { Attributes } from '@opentelemetry/api'
import type { Endpoint } from '@poolhouse/core'

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
