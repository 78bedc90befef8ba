const FACADE =
  'for a library that takes a pg.Pool, give it createPgPool(pool) of @poolhouse/node-postgres/compat'

/** What the options of a `pg.Pool` are called here. */
export const OPTIONS_OF_PG: ReadonlyMap<string, string> = new Map([
  [
    'connectionTimeoutMillis',
    'acquireTimeoutMs for the wait for a connection, connectTimeoutMs for opening one',
  ],
  ['maxLifetimeSeconds', 'maxLifetimeMs, in milliseconds'],
  ['poolSize', 'max'],
  ['connectionString', 'connection, a URL'],
  ...['host', 'port', 'user', 'password', 'database', 'ssl'].map(
    (name) => [name, `connection.${name}`] as const,
  ),
  ['application_name', 'connection.applicationName'],
  ['options', 'connection.parameters'],
  ['statement_timeout', 'statementTimeoutMs'],
  ['query_timeout', 'statementTimeoutMs'],
  ['onConnect', 'connection.parameters for settings, and the event connect'],
  ['allowExitOnIdle', 'left out: an idle pool never keeps the process alive'],
])

const METHODS_OF_PG: Readonly<Record<string, string>> = {
  connect: 'pool.acquire() lends a connection until its release(), and pool.use(work) for a call',
  end: 'pool.close() ends the pool',
}

/**
 * Has the methods of `pg.Pool` on a class of pools throw `TypeError` that says what they are called
 * here. The same for a pool that is given to `pg` as its options: `pg` reads `ssl`, and without
 * this it would take the server of the environment. Not enumerable.
 */
export function hintAtPgPool(pools: { readonly prototype: object }): void {
  for (const [name, instead] of Object.entries(METHODS_OF_PG)) {
    const value = (): never => {
      throw new TypeError(`pool.${name} is not a method of a Poolhouse pool: ${instead}; ${FACADE}`)
    }
    Object.defineProperty(pools.prototype, name, { value, writable: true, configurable: true })
  }
  Object.defineProperty(pools.prototype, 'ssl', {
    configurable: true,
    get: (): never => {
      throw new TypeError(
        `a Poolhouse pool was given where options of a connection are expected, and would be taken for none: ${FACADE}`,
      )
    },
  })
}
