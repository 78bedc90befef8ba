import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode, FaultProxy } from '@poolhouse/testkit'
import type { ClientClock } from './client-clock.js'
import type { Seeded } from './seeded.js'
import type { World } from './world.js'

/** What a fault strikes, and with which draws. */
interface FaultContext {
  readonly world: World
  readonly draw: Seeded
  readonly clock: ClientClock
}

/** Does damage, and undoes it before it resolves, with what it struck. */
type Fault = (context: FaultContext) => Promise<string>

const MEGABYTE = Buffer.alloc(2 ** 20)
const FILLING = 'filling'

/** Every fault, by its name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  async 'kill, promote'({ world: { app }, draw }) {
    const old = app.primary
    await old.kill()
    await sleep(draw.between(0, 1_500))
    const next = await app.failover()
    await sleep(draw.between(0, 1_500))
    await old.rejoinAs(next)
    return `${old.name} → ${next.name}`
  },
  async 'kill, restart'({ world, draw }) {
    const { node, what } = anyServer(world, draw)
    await node.kill()
    await sleep(draw.between(0, 2_000))
    await node.start()
    return what
  },
  async freeze({ world, draw }) {
    const { node, what } = anyServer(world, draw)
    await node.freeze()
    await sleep(draw.between(200, 4_000))
    await node.thaw()
    return what
  },
  async 'freeze, promote'({ world: { app }, draw }) {
    const old = app.primary
    await old.freeze()
    await sleep(draw.between(200, 2_500))
    const next = await app.failover()
    await sleep(draw.between(200, 2_500))
    // It wakes up writable, on the older timeline.
    await old.thaw()
    await sleep(1_000)
    await old.rejoinAs(next)
    return `${old.name} → ${next.name}`
  },
  async switchover({ world: { app, manager }, draw }) {
    const next = draw.of(app.replicas)
    await manager.database('app').switchover(() => app.switchover(next))
    return `to ${next.name}`
  },
  async 'switchover without notice'({ world: { app }, draw }) {
    const next = draw.of(app.replicas)
    await app.switchover(next)
    return `to ${next.name}`
  },
  async cut({ world, draw }) {
    const { line, what } = anyLine(world, draw)
    line.blackHole(draw.of(['both', 'to-server', 'to-client'] as const))
    await sleep(draw.between(200, 4_000))
    await line.heal()
    return what
  },
  async forget({ world, draw }) {
    const { line, what } = anyLine(world, draw)
    line.forget(draw.of(['both', 'to-server', 'to-client'] as const))
    await sleep(draw.between(200, 3_000))
    return what
  },
  async refuse({ world, draw }) {
    const { line, what } = anyLine(world, draw)
    line.refuse({ existing: draw.of(['keep', 'reset'] as const) })
    await sleep(draw.between(200, 2_500))
    await line.heal()
    return what
  },
  async delay({ world, draw }) {
    const { line, what } = anyLine(world, draw)
    const delayMs = draw.between(5, 120)
    line.delay(delayMs, { jitterMs: draw.between(0, delayMs), random: draw.next })
    await sleep(draw.between(1_000, 4_000))
    await line.heal()
    return `${what}, ${delayMs} ms`
  },
  async 'lost COMMIT'({ world, draw }) {
    const lines = [world.line(world.app.primary), world.line(world.analytics.primary)]
    const line = draw.of([...lines, world.poolerLine])
    const lose = draw.of(['dropCommitAnswer', 'dropCommitRequest'] as const)
    const times = draw.between(1, 4)
    for (let time = 0; time < times; time++) {
      line[lose]()
      await sleep(draw.between(50, 400))
    }
    // One that no COMMIT has met yet must not strike in the next minute.
    await line.heal()
    return `${times} × ${lose === 'dropCommitAnswer' ? 'the answer' : 'the request'}`
  },
  async 'full disk'({ world: { disk, analytics }, draw }) {
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
    if (analytics.nodes[0]!.running) return 'survived'
    await analytics.nodes[0]!.start()
    return 'crashed'
  },
  async 'terminate backends'({ world, draw }) {
    const { node, what } = anyServer(world, draw)
    const share = draw.of([0.2, 0.6, 1])
    const found = await node.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where usename = 'app' and hashint4(pid)::float8 / 4294967296 + 0.5 < $1`,
      [share],
    )
    return `${what}, ${found.length}`
  },
  async DDL({ world: { app, analytics, queue }, draw }) {
    const node = draw.of([app.primary, analytics.primary, queue.primary])
    const column = `extra_${draw.between(0, 1e6)}`
    await node.sql(`alter table numbers add column ${column} int default 1`)
    await sleep(draw.between(200, 1_500))
    const last = draw.of([
      `alter table numbers alter column ${column} type bigint`,
      `create index concurrently on numbers (${column})`,
      `analyze numbers`,
    ])
    await node.sql(last)
    await sleep(draw.between(200, 1_500))
    await node.sql(`alter table numbers drop column ${column}`)
    return last.split(' ', 2).join(' ')
  },
  async 'pooler restart'({ world: { pooler }, draw }) {
    const how = draw.of(['restart', 'RECONNECT', 'PAUSE'] as const)
    if (how === 'restart') await pooler.restart()
    else await pooler.admin(how)
    if (how !== 'PAUSE') return how
    await sleep(draw.between(200, 2_000))
    await pooler.admin('RESUME')
    return how
  },
  async 'clock jump'({ clock, draw }) {
    const seconds = draw.of([-86_400, -3_600, -60, 60, 3_600, 86_400])
    return clock.jump(seconds) ? `${seconds} s` : 'no faketime'
  },
}

/** Undoes whatever a fault left behind. Rejects when the servers cannot be brought back. */
export async function repair({ app, analytics, queue, allLines, disk }: World): Promise<void> {
  if (disk !== undefined) await rm(join(disk, FILLING), { force: true })
  for (const line of allLines) await line.heal()
  for (const node of [...app.nodes, ...analytics.nodes, ...queue.nodes]) {
    if (node.running) await node.thaw()
  }
  for (const node of [...analytics.nodes, ...queue.nodes]) if (!node.running) await node.start()
  if (!app.nodes.some((node) => node.running)) await app.nodes[0]!.start()
  const leader = await Promise.resolve()
    .then(() => app.primary)
    .catch(() => app.failover())
  for (const node of app.nodes) {
    const streaming = await leader.sql(
      'select from pg_stat_replication where application_name = $1',
      [node.name],
    )
    if (node !== leader && streaming.length === 0) await node.rejoinAs(leader)
  }
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
