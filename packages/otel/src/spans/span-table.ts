import { SpanKind } from '@opentelemetry/api'

/** One kind of span. */
export interface SpanInfo {
  /** Its name, or the attribute that its name is. */
  readonly name: string
  /** Its kind. */
  readonly kind: 'client' | 'internal'
  /** What it covers. */
  readonly description: string
  /** Names of its attributes. Those that do not apply are absent. */
  readonly attributes: readonly string[]
}

const SERVER = ['db.system.name', 'db.namespace', 'server.address', 'server.port']
const FAILURE = ['error.type', 'db.response.status_code']
const POOL = 'db.client.connection.pool.name'

/** Short name of a kind of span. */
export type SpanKey = 'query' | 'transaction' | 'acquire' | 'connect' | 'hold'

const TABLE: Readonly<Record<SpanKey, SpanInfo>> = {
  query: {
    name: '{db.query.summary}',
    kind: 'client',
    description:
      'A statement, from its call to its answer; a stream or copy, to its end. One for each attempt of a call that is sent again.',
    attributes: [
      ...SERVER,
      POOL,
      'db.query.summary',
      'db.query.text',
      'db.response.returned_rows',
      ...FAILURE,
    ],
  },
  transaction: {
    name: 'poolhouse.transaction',
    kind: 'internal',
    description:
      'A transaction on one server, from its call to its end; its statements are inside.',
    attributes: [...SERVER, POOL, ...FAILURE],
  },
  acquire: {
    name: 'poolhouse.acquire',
    kind: 'internal',
    description: 'The wait of a call for a connection. There is none where one was there at once.',
    attributes: [...SERVER, POOL, ...FAILURE],
  },
  connect: {
    name: 'poolhouse.connect',
    kind: 'internal',
    description: 'The opening of a connection. It belongs to no call and has no parent.',
    attributes: [...SERVER, POOL, ...FAILURE],
  },
  hold: {
    name: 'poolhouse.hold',
    kind: 'internal',
    description: 'The wait of a call for a primary, while there is none.',
    attributes: ['db.system.name', 'poolhouse.pool', ...FAILURE],
  },
}

/** Every kind of span that `instrument` records: what the documentation is made of. */
export const SPANS: readonly SpanInfo[] = Object.values(TABLE)

/** Name of the spans of one kind; for those of statements, where the summary is not known. */
export function spanName(key: SpanKey): string {
  return TABLE[key].name
}

/** The kind as OpenTelemetry numbers it. */
export function spanKind(key: SpanKey): SpanKind {
  return TABLE[key].kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL
}
