import type { DriverCopyIn, DriverCopyOut } from '@poolhouse/core/kit'
import type { TestSession } from '../session/test-session.js'
import type { DriverContext } from './driver-context.js'

/** A COPY that comes to a halt. It sends nothing before 8 kB are full, so it stops behind them. */
export const SLOW: string =
  `copy (select repeat('x', 1000), pg_sleep(case when n > 30 then 20 else 0 end) ` +
  'from generate_series(1, 99) n) to stdout'

/** Reads a COPY to its end. */
export async function allOf(copy: DriverCopyOut): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for (;;) {
    const piece = await copy.read()
    if (piece === undefined) return Buffer.concat(pieces)
    pieces.push(piece)
  }
}

/** A session with a temporary table `t`. */
export async function withTable(test: DriverContext): Promise<TestSession> {
  const session = await test.connect()
  await session.query('create temp table t (n int, s text)')
  return session
}

/** How many rows `t` has. */
export async function countOf({ query }: TestSession): Promise<number> {
  return (await query<{ n: number }>('select count(*)::int as n from t')).rows[0]!.n
}

/** A COPY into `t` that has taken some data. */
export async function begunCopy(
  { connection }: TestSession,
  data = '1\tx\n',
): Promise<DriverCopyIn> {
  const copy = await connection.copyIn('copy t from stdin')
  await copy.write(Buffer.from(data))
  return copy
}

/** Writes until the COPY says no. */
export async function writeUntilRefused(copy: DriverCopyIn): Promise<never> {
  const chunk = Buffer.from('1\tx\n')
  for (;;) {
    await copy.write(chunk)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
