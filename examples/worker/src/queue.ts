import { InDoubtError, type Pool } from '@poolhouse/core'
import type { Bell } from './bell.js'

/**
 * What a job is, and who has done it. Nothing but the queue itself keeps a job from being done
 * twice.
 */
export const tables: readonly string[] = [
  'create table jobs (id int primary key, done_at timestamptz)',
  'create table receipts (job int, worker text)',
]

/**
 * Puts a job into the queue, once: a COMMIT without an answer is settled by the key, not by hope.
 */
export async function enqueue(db: Pool, id: number): Promise<void> {
  await db.transaction(
    async (tx) => {
      await tx.query('insert into jobs (id) values ($1)', [id])
      await tx.query("select pg_notify('jobs', $1)", [String(id)]) // heard when this is committed
    },
    { idempotencyKey: `job ${id}` },
  )
}

/**
 * Does jobs until `signal`, and sleeps when there are none. Nothing is polled: the bell says when
 * to look.
 */
export async function work(db: Pool, name: string, bell: Bell, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const rings = bell.next() // asked for before the look, so that no ring is missed
    if (!(await doOne(db, name))) await rings
  }
}

/**
 * Takes the oldest job that no other worker holds, and does it in the transaction that removes it.
 * False if there is none.
 */
async function doOne(db: Pool, worker: string): Promise<boolean> {
  try {
    return await db.transaction(
      async (tx) => {
        const { rows } = await tx.query<{ id: number }>(
          'select id from jobs where done_at is null order by id limit 1 for update skip locked',
        )
        const job = rows[0]
        if (job === undefined) return false
        await tx.query('insert into receipts (job, worker) values ($1, $2)', [job.id, worker])
        await tx.query('update jobs set done_at = now() where id = $1', [job.id])
        return true
      },
      // A connection lost before COMMIT rolls the work back, and the job is free again.
      { retry: { attempts: 5 } },
    )
  } catch (error) {
    // COMMIT was sent and not answered. If it happened the job is done, and if not it is still in
    // the queue: look again.
    if (error instanceof InDoubtError) return true
    throw error
  }
}
