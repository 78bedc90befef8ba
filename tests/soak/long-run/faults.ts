import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode, FaultProxy } from '@poolhouse/testkit'
import type { ClientClock } from './client-clock.js'
import type { Seeded } from './seeded.js'
import { within } from './within.js'
import type { World } from './world.js'

/** Awaits one step of a fault; rejects with a `StoodStillError` that names both when it is late. */
type Step = <T>(what: string, work: Promise<T>) => Promise<T>

/** What a fault strikes, and with which draws. */
export interface FaultContext {
  readonly world: World
  readonly draw: Seeded
  readonly clock: ClientClock
  readonly step: Step
}

/** Does damage, and undoes it before it resolves, with what it struck. */
type Fault = (context: FaultContext) => Promise<string>

const MEGABYTE = Buffer.alloc(2 ** 20)
const FILLING = 'filling'
/** Longer than the servers of the testkit take for anything before they give up by themselves. */
const STEP_MS = 180_000
const RECOVERY_MS = 30_000

/** Gives each step of this fault, or of what undoes it, a deadline. */
export function stepsOf(fault: string): Step {
  return (what, work) => within(STEP_MS, `${what}, in the fault "${fault}"`, work)
}

/** Every fault, by its name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  async 'kill, promote'({ world: { app }, draw, step }) {
    const old = app.primary
    await step(`the kill of ${old.name}`, old.kill())
    await sleep(draw.between(0, 1_500))
    const next = await step('the promotion', app.failover())
    await sleep(draw.between(0, 1_500))
    await step(`the clone of ${next.name} as ${old.name}`, old.rejoinAs(next))
    return `${old.name} → ${next.name}`
  },
  async 'kill, restart'({ world, draw, step }) {
    const { node, what } = anyServer(world, draw)
    await step(`the kill of ${what}`, node.kill())
    await sleep(draw.between(0, 2_000))
    await step(`the start of ${what}`, node.start())
    return what
  },
  async freeze({ world, draw }) {
    const { node, what } = anyServer(world, draw)
    await node.freeze()
    await sleep(draw.between(200, 4_000))
    await node.thaw()
    return what
  },
  async 'freeze, promote'({ world: { app }, draw, step }) {
    const old = app.primary
    await old.freeze()
    await sleep(draw.between(200, 2_500))
    const next = await step('the promotion', app.failover())
    await sleep(draw.between(200, 2_500))
    // It wakes up writable, on the older timeline.
    await old.thaw()
    await sleep(1_000)
    await step(`the clone of ${next.name} as ${old.name}`, old.rejoinAs(next))
    return `${old.name} → ${next.name}`
  },
  async switchover({ world: { app, manager }, draw, step }) {
    const next = draw.of(app.replicas)
    let servers: Promise<unknown> = Promise.resolve()
    const moved = manager.database('app').switchover(() => {
      servers = app.switchover(next)
      return servers
    })
    try {
      await step(`switchover() of the pool to ${next.name}`, moved)
    } finally {
      // When the pool gives up the servers go on, and a repair must not meet them.
      await step(`the servers' switchover to ${next.name}`, Promise.allSettled([servers]))
    }
    return `to ${next.name}`
  },
  async 'switchover without notice'({ world: { app }, draw, step }) {
    const next = draw.of(app.replicas)
    await step(`the servers' switchover to ${next.name}`, app.switchover(next))
    return `to ${next.name}`
  },
  async cut({ world, draw, step }) {
    const { line, what } = anyLine(world, draw)
    line.blackHole(draw.of(['both', 'to-server', 'to-client'] as const))
    await sleep(draw.between(200, 4_000))
    await step(`the line to ${what}`, line.heal())
    return what
  },
  async forget({ world, draw }) {
    const { line, what } = anyLine(world, draw)
    line.forget(draw.of(['both', 'to-server', 'to-client'] as const))
    await sleep(draw.between(200, 3_000))
    return what
  },
  async refuse({ world, draw, step }) {
    const { line, what } = anyLine(world, draw)
    line.refuse({ existing: draw.of(['keep', 'reset'] as const) })
    await sleep(draw.between(200, 2_500))
    await step(`the line to ${what}`, line.heal())
    return what
  },
  async delay({ world, draw, step }) {
    const { line, what } = anyLine(world, draw)
    const delayMs = draw.between(5, 120)
    line.delay(delayMs, { jitterMs: draw.between(0, delayMs), random: draw.next })
    await sleep(draw.between(1_000, 4_000))
    await step(`the line to ${what}`, line.heal())
    return `${what}, ${delayMs} ms`
  },
  async 'lost COMMIT'({ world, draw, step }) {
    const lines = [world.line(world.app.primary), world.line(world.analytics.primary)]
    const line = draw.of([...lines, world.poolerLine])
    const lose = draw.of(['dropCommitAnswer', 'dropCommitRequest'] as const)
    const times = draw.between(1, 4)
    for (let time = 0; time < times; time++) {
      line[lose]()
      await sleep(draw.between(50, 400))
    }
    // One that no COMMIT has met yet must not strike in the next round.
    await step('the line', line.heal())
    return `${times} × ${lose === 'dropCommitAnswer' ? 'the answer' : 'the request'}`
  },
  async 'full disk'({ world: { disk, analytics }, draw, step }) {
    if (disk === undefined) return 'no right to make a disk'
    const path = join(disk, FILLING)
    const file = await open(path, 'w')
    try {
      for (;;) await file.write(MEGABYTE)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      await file.close()
    }
    await sleep(draw.between(500, 4_000))
    await rm(path)
    // What cannot write its log gives up.
    await sleep(500)
    const node = analytics.nodes[0]!
    // PostgreSQL may also run on in a recovery that never ends.
    if (node.running) {
      if (await answersSoon(node)) return 'survived'
      await step('the kill of analytics', node.kill())
    }
    await step('the start of analytics', node.start())
    return 'crashed'
  },
  async 'terminate backends'({ world, draw, step }) {
    const { node, what } = anyServer(world, draw)
    const share = draw.of([0.2, 0.6, 1])
    const text = `select pg_terminate_backend(pid) from pg_stat_activity
       where usename = 'app' and hashint4(pid)::float8 / 4294967296 + 0.5 < $1`
    const found = await step(`an answer of ${what}`, node.sql(text, [share]))
    return `${what}, ${found.length}`
  },
  async DDL({ world: { app, analytics, queue }, draw, step }) {
    const node = draw.of([app.primary, analytics.primary, queue.primary])
    const column = `extra_${draw.between(0, 1e6)}`
    const run = (text: string): Promise<unknown> => step(text, node.sql(text))
    await run(`alter table numbers add column ${column} int default 1`)
    await sleep(draw.between(200, 1_500))
    const last = draw.of([
      `alter table numbers alter column ${column} type bigint`,
      `create index concurrently on numbers (${column})`,
      `analyze numbers`,
    ])
    await run(last)
    await sleep(draw.between(200, 1_500))
    await run(`alter table numbers drop column ${column}`)
    return last.split(' ', 2).join(' ')
  },
  async 'pooler restart'({ world: { pooler }, draw, step }) {
    const how = draw.of(['restart', 'RECONNECT', 'PAUSE'] as const)
    // PAUSE waits for the transactions under way, so one whose client is cut off holds it up.
    const work: Promise<unknown> = how === 'restart' ? pooler.restart() : pooler.admin(how)
    await step(`${how} of PgBouncer`, work)
    if (how !== 'PAUSE') return how
    await sleep(draw.between(200, 2_000))
    await step('RESUME of PgBouncer', pooler.admin('RESUME'))
    return how
  },
  async 'clock jump'({ clock, draw }) {
    const seconds = draw.of([-86_400, -3_600, -60, 60, 3_600, 86_400])
    const seen = await clock.jump(seconds)
    return seen === undefined ? 'no faketime' : `${seconds} s, seen ${seen.toFixed(1)} s`
  },
}

/** Undoes whatever a fault left behind. Rejects when the servers cannot be brought back. */
export async function repair(
  { app, analytics, queue, pooler, allLines, disk }: World,
  step: Step,
): Promise<void> {
  if (disk !== undefined) await rm(join(disk, FILLING), { force: true })
  for (const line of allLines) await step('a line to be repaired', line.heal())
  for (const node of [...app.nodes, ...analytics.nodes, ...queue.nodes]) {
    if (node.running) await node.thaw()
  }
  const singles = [...analytics.nodes, ...queue.nodes]
  for (const node of singles) if (!node.running) await step('a server to start', node.start())
  if (!app.nodes.some((node) => node.running)) {
    await step('a server of app to start', app.nodes[0]!.start())
  }
  const leader = await Promise.resolve()
    .then(() => app.primary)
    .catch(() => step('the promotion of a replica', app.failover()))
  const text = 'select from pg_stat_replication where application_name = $1'
  for (const node of app.nodes) {
    const streaming = await step(`an answer of ${leader.name}`, leader.sql(text, [node.name]))
    if (node !== leader && streaming.length === 0) {
      await step(`the clone of ${leader.name} as ${node.name}`, node.rejoinAs(leader))
    }
  }
  // It reports an error when it is not paused.
  const answers = await step(
    'RESUME of PgBouncer',
    pooler.admin('RESUME').then(
      () => true,
      (error: Error) => /not paused/.test(error.message),
    ),
  )
  if (answers) return
  console.log(`  PgBouncer is started again; the end of its log: ${await pooler.logTail()}`)
  await step('the restart of PgBouncer', pooler.restart())
}

/** Whether it answers within half a minute. */
async function answersSoon(node: ClusterNode): Promise<boolean> {
  const deadline = performance.now() + RECOVERY_MS
  while (performance.now() < deadline) {
    const answers = await node.sql('select 1').then(
      () => true,
      () => false,
    )
    if (answers) return true
    await sleep(200)
  }
  return false
}

function anyServer(
  { app, analytics, queue }: World,
  draw: Seeded,
): { node: ClusterNode; what: string } {
  const node = draw.of([...app.nodes, app.primary, analytics.nodes[0]!, queue.nodes[0]!])
  const role = node === app.primary ? 'primary' : 'replica'
  const what = node === analytics.nodes[0] ? 'analytics' : node === queue.nodes[0] ? 'queue' : role
  return { node, what }
}

function anyLine(
  { app, analytics, line, poolerLine }: World,
  draw: Seeded,
): { line: FaultProxy; what: string } {
  const node = draw.of([...app.nodes, app.primary, analytics.nodes[0]!, undefined])
  if (node === undefined) return { line: poolerLine, what: 'pooler' }
  const what =
    node === analytics.nodes[0] ? 'analytics' : node === app.primary ? 'primary' : 'replica'
  return { line: line(node), what }
}
