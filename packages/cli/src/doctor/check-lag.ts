import { readLsn, sleep, systemClock } from '@poolhouse/core/kit'
import type { ServerLine } from '../server/server-line.js'
import type { TargetDatabase } from '../target/target.js'
import type { ReportAbout } from './check-roles.js'
import { type AnsweringServer, answering, type ExaminedServer } from './examined-server.js'

const MAX_STALENESS_MS = 5_000
/** A bound that nothing needs is not worth the wait. */
const LONGEST_MS = 5_000
const POLL_MS = 100
const REPLAYED = 'select pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text as lsn'

/**
 * Reports each standby that does not replay, within the staleness that reads accept, what the
 * primary had written when it was asked. Waits only for those that are behind.
 */
export async function checkLag(
  { options: { reads = {} } }: TargetDatabase,
  servers: readonly ExaminedServer[],
  about: ReportAbout,
): Promise<void> {
  const answers = answering(servers)
  const target = answers.find(({ state }) => !state.inRecovery)?.state.lsn
  if (target === undefined) return
  const { maxStalenessMs = MAX_STALENESS_MS } = reads
  const waitMs = Math.min(maxStalenessMs, LONGEST_MS)
  await Promise.all(
    answers.map(async (one) => {
      if (!one.state.inRecovery || one.state.lsn === undefined) return
      const left = await leftToReplay(one, target, waitMs)
      if (left <= 0n) return
      about(one.server.endpoint)(
        'warning',
        'lag',
        `within ${seconds(waitMs)} it did not replay what the primary had written: ${bytes(left)} of log are left, and reads accept data that are ${seconds(maxStalenessMs)} old`,
        'look for a paused or delayed replay (recovery_min_apply_delay), a long query there (max_standby_streaming_delay), or a slow disk or network',
      )
    }),
  )
}

async function leftToReplay(
  { state, line }: AnsweringServer,
  target: bigint,
  waitMs: number,
): Promise<bigint> {
  let left = target - state.lsn!
  // It will not move by itself.
  if (state.replayPaused) return left
  const deadline = performance.now() + waitMs
  while (left > 0n && line !== undefined && performance.now() < deadline) {
    await sleep(systemClock, POLL_MS)
    left = target - ((await replayed(line)) ?? target)
  }
  return left
}

async function replayed(line: ServerLine): Promise<bigint | undefined> {
  try {
    return readLsn((await line.ask<{ lsn: unknown }>(REPLAYED))[0]?.lsn)
  } catch {
    // What ends the connection now is no lag.
    return undefined
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}

function bytes(count: bigint): string {
  const kib = Number(count) / 1024
  return kib < 1024 ? `${Math.ceil(kib)} KiB` : `${Math.round(kib / 1024)} MiB`
}
