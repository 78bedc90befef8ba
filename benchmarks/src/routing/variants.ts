import { type ConnectionPool, createPool, type Driver } from '@poolhouse/core'
import { nodePostgres } from '@poolhouse/node-postgres'
import { type ReplicaPool, withReplicas } from '@poolhouse/read-replicas'
import { instantDriver } from './instant-driver.js'

/** What one variant does for one caller, one call after another. */
type Caller = () => Promise<unknown>

/** One of those compared: makes the calls of each caller. */
export interface RoutingVariant {
  caller(): Caller
}

const TEXT = 'select balance from accounts where id = $1'
const UPDATE = 'update accounts set balance = balance + 1 where id = $1'
const ROWS = 10_000
const READY_MS = 10_000
// One call in so many of the read-mostly workload is a write.
const WRITE_EVERY = 20

const poolOf = (
  driver: Driver,
  name: string,
  connection = 'postgres://localhost/bench',
  max = 10,
): ConnectionPool => createPool({ driver, connection, name, max })

/** Resolves when both replicas serve reads. */
async function ready(db: ReplicaPool): Promise<ReplicaPool> {
  const giveUpAt = performance.now() + READY_MS
  for (;;) {
    const { candidates, reason } = db.explainRoute('select 1', { intent: 'read' })
    if (candidates.every(({ eligible }) => eligible)) return db
    if (performance.now() > giveUpAt) throw new Error(reason)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const point = (query: ConnectionPool['query']): Caller => {
  let key = 0
  return () => {
    key = (key * 31 + 7) % ROWS
    return query({ name: 'point', text: TEXT, values: [key] })
  }
}

/** Two replicas without a network. */
const instantRouter = (): Promise<ReplicaPool> =>
  ready(
    withReplicas(poolOf(instantDriver(false), 'a'), [
      poolOf(instantDriver(true), 'b'),
      poolOf(instantDriver(true), 'c'),
    ]),
  )

/** What routing costs, where nothing else does. */
export const routerVariants: Readonly<Record<string, () => Promise<RoutingVariant>>> = {
  'node pool': async () => {
    const pool = poolOf(instantDriver(true), 'b')
    return { caller: () => point(pool.query.bind(pool)) }
  },
  poolhouse: async () => {
    const db = await instantRouter()
    return {
      caller: () => {
        const reader = db.reader()
        return point(reader.query.bind(reader))
      },
    }
  },
  'poolhouse, session': async () => {
    const db = await instantRouter()
    return {
      caller: () => {
        const reader = db.session().reader()
        return point(reader.query.bind(reader))
      },
    }
  },
}

const realRouter = (urls: readonly string[]): Promise<ReplicaPool> => {
  const [primary, ...replicas] = urls.map((url, node) =>
    poolOf(nodePostgres(), 'abc'[node]!, url),
  ) as [ConnectionPool, ...ConnectionPool[]]
  return ready(withReplicas(primary, replicas))
}

/**
 * Reads with a write now and then, of callers that never look at a token and of callers that each
 * have a session.
 */
export const sessionVariants: Readonly<
  Record<string, (urls: readonly string[]) => Promise<RoutingVariant>>
> = {
  'no session': async (urls) => {
    const db = await realRouter(urls)
    return { caller: () => mixed(db, db.reader()) }
  },
  poolhouse: async (urls) => {
    const db = await realRouter(urls)
    return {
      caller: () => {
        const session = db.session()
        return mixed(session, session.reader())
      },
    }
  },
}

/** Two replicas by a name each, or one name for both with as many connections. */
const relayedRouter: Readonly<Record<string, (urls: readonly string[]) => Promise<ReplicaPool>>> = {
  'two names': ([primary, b, c]) => realRouter([primary!, b!, c!]),
  poolhouse: async ([primary, , , endpoint]) => {
    const driver = nodePostgres()
    const db = withReplicas(poolOf(driver, 'a', primary), [poolOf(driver, 'bc', endpoint, 20)])
    const giveUpAt = performance.now() + READY_MS
    // Its servers are found as connections are opened.
    while (db.explainRoute('select 1', { intent: 'read' }).candidates.length < 2) {
      if (performance.now() > giveUpAt) throw new Error('the endpoint leads to one server')
      await Promise.all(
        Array.from({ length: 20 }, () => db.reader().query('select pg_sleep(0.01)')),
      )
    }
    return await ready(db)
  },
}

const relayed = (
  callerOf: (db: ReplicaPool) => Caller,
): Readonly<Record<string, (urls: readonly string[]) => Promise<RoutingVariant>>> =>
  Object.fromEntries(
    Object.entries(relayedRouter).map(([name, make]) => [
      name,
      async (urls) => {
        const db = await make(urls)
        return { caller: () => callerOf(db) }
      },
    ]),
  )

/** Reads within the default bound. */
export const endpointVariants: ReturnType<typeof relayed> = relayed((db) => {
  const reader = db.reader()
  return point(reader.query.bind(reader))
})

/** A session's write and then its read, in turn. */
export const endpointSessionVariants: ReturnType<typeof relayed> = relayed((db) => {
  const session = db.session()
  return mixed(session, session.reader(), 2)
})

function mixed(
  writer: Pick<ReplicaPool, 'query'>,
  reader: Pick<ReplicaPool, 'query'>,
  writeEvery = WRITE_EVERY,
): Caller {
  let calls = Math.floor(Math.random() * writeEvery)
  let key = Math.floor(Math.random() * ROWS)
  return () => {
    key = (key * 31 + 7) % ROWS
    const isWrite = calls++ % writeEvery === 0
    return isWrite
      ? writer.query({ name: 'update', text: UPDATE, values: [key] })
      : reader.query({ name: 'point', text: TEXT, values: [key] })
  }
}
