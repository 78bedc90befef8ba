import type { ConnectionPool, QueryOptions, QueryResult } from '@poolhouse/core'
import type { TestServer } from '../support/servers/test-server.js'

/** A row of the table of numbers. */
export interface NumberRow {
  readonly n: number
  readonly name: string
}

/** Reads one number, and may share its connection. */
const ONE = 'select n, name from numbers where n = $1'

/** Makes the table that the shared calls of a file read: each number up to 999, and its name. */
export async function makeNumbers(server: TestServer): Promise<void> {
  await server.sql(
    `create table numbers as select n, 'number ' || n as name from generate_series(0, 999) n`,
  )
  await server.sql('alter table numbers add primary key (n)')
  await server.sql('grant select on numbers to public')
  await server.sql('analyze numbers')
}

/** Reads one number. */
export function ask(pool: ConnectionPool, n: number): Promise<QueryResult<NumberRow>> {
  return pool.query<NumberRow>(ONE, [n])
}

/**
 * Runs a text by itself until it is known to be quick, and then many times at once until that is
 * sure, after which it shares.
 */
export async function learn(
  pool: ConnectionPool,
  text = ONE,
  values: readonly unknown[] = [0],
): Promise<void> {
  // A busy machine makes quick statements slow.
  for (let quick = 0; quick < 10; ) {
    const startedAt = performance.now()
    await pool.query(text, values)
    if (performance.now() - startedAt < 5) quick++
  }
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 20 }, () => pool.query(text, values)))
  }
}

/** What became of each call: its own row, or what its error says. Throws if it got another row. */
export async function outcomes(
  calls: readonly Promise<QueryResult<NumberRow>>[],
  first = 0,
): Promise<string[]> {
  const settled = await Promise.allSettled(calls)
  return settled.map((outcome, index) => {
    if (outcome.status === 'rejected') {
      const { name, executed, code } = outcome.reason
      return name === 'DatabaseError' ? `${code} ${executed}` : `${name} ${executed}`
    }
    const { rows, fields } = outcome.value
    const n = first + index
    const [row] = rows
    if (rows.length !== 1 || row?.n !== n || row.name !== `number ${n}` || fields.length !== 2) {
      throw new Error(`call ${n} got the answer ${JSON.stringify(rows)}`)
    }
    return 'ok'
  })
}

/** Counts up to a number, and takes longer the larger that is; may share its connection. */
export const COUNT = 'select count(*)::int as n from generate_series(1, $1::int)'

/** Has the server count to `n` on a shared connection. */
export async function count(
  pool: ConnectionPool,
  n: number,
  options: QueryOptions = {},
): Promise<number | undefined> {
  return (await pool.query<{ n: number }>(COUNT, [n], options)).rows[0]?.n
}
