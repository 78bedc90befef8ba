import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ManagedCluster, ManagedNode } from '@poolhouse/testkit'
import { Client } from 'pg'
import type { Order, Saying } from './sample.js'

/** What one failover has shown of one contender. */
export interface Failover {
  /** From the promotion to the first write that was acknowledged; undefined if none was in time. */
  readonly firstWriteMs: number | undefined
  /** From the kill to the promotion, which is the cluster's own time. */
  readonly promotedMs: number
  /** Calls that failed, so that the caller had to send them again. */
  readonly failed: number
  /** Exceptions that no caller could catch. */
  readonly uncaught: number
}

const LOOK_MS = 2
const PROMOTION_MS = 120_000
/** How long after the promotion a first write is waited for. */
export const LONGEST_MS = 30_000
const STARTING_MS = 60_000

const now = (): number => Number(process.hrtime.bigint()) / 1e6

/**
 * Kills the whole node of the primary while a contender is at work, in a process of its own, and
 * measures the time from the promotion to its first acknowledged write. Resolves when the killed
 * node is back as a replica.
 */
export async function failOver(
  cluster: ManagedCluster,
  script: string,
  contender: string,
  urls: readonly string[],
): Promise<Failover> {
  await cluster.healthy()
  const old = await cluster.leader()
  const child = fork(script, [contender, ...urls])
  try {
    await hear(child, 'working', STARTING_MS)
    const watch = watchPromotion(cluster.nodes.filter((node) => node !== old))
    const killedAt = now()
    await old.crash()
    tell(child, 'killed')
    const written = hear(child, 'written', PROMOTION_MS + LONGEST_MS)
    written.catch(() => {})
    const promotedAt = await watch
    const first = await Promise.race([written, sleep(LONGEST_MS, undefined)])
    tell(child, 'stop')
    const { failed, uncaught } = await hear(child, 'stopped', STARTING_MS)
    return {
      firstWriteMs: first && first.at - promotedAt,
      promotedMs: promotedAt - killedAt,
      failed,
      uncaught,
    }
  } finally {
    child.kill('SIGKILL')
    await old.start()
    await cluster.healthy()
  }
}

/** Resolves with the time at which one of these nodes says that it is no standby any more. */
async function watchPromotion(standbys: readonly ManagedNode[]): Promise<number> {
  const ending = new AbortController()
  const watch = async ({ url }: ManagedNode): Promise<number> => {
    const client = new Client(url)
    await client.connect()
    try {
      for (const deadline = now() + PROMOTION_MS; now() < deadline && !ending.signal.aborted; ) {
        const { rows } = await client.query('select pg_is_in_recovery() as waits')
        if (!rows[0].waits) return now()
        await sleep(LOOK_MS)
      }
      throw new Error(`no standby was promoted within ${PROMOTION_MS} ms`)
    } finally {
      await client.end()
    }
  }
  try {
    return await Promise.any(standbys.map(watch))
  } finally {
    ending.abort()
  }
}

function tell(child: ChildProcess, order: Order): void {
  child.send(order)
}

type Said<Is extends Saying['is']> = Extract<Saying, { is: Is }>

async function hear<Is extends Saying['is']>(
  child: ChildProcess,
  is: Is,
  timeoutMs: number,
): Promise<Said<Is>> {
  const over = new AbortController()
  const late = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([over.signal, late])
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the process of the contender ended with ${code} before it said "${is}"`)
  })
  const said = async (): Promise<Said<Is>> => {
    for (;;) {
      const [saying] = (await once(child, 'message', { signal })) as [Saying]
      if (saying.is === is) return saying as Said<Is>
    }
  }
  try {
    return await Promise.race([said(), ended])
  } catch (cause) {
    if (!late.aborted) throw cause
    throw new Error(`the contender did not say "${is}" within ${timeoutMs} ms`, { cause })
  } finally {
    over.abort()
    ended.catch(() => {})
  }
}
