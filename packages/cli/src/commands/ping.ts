import { messageOf, printable } from '@poolhouse/core/kit'
import type { Outcome } from '../outcome.js'
import { roundMs, showMs } from '../output/show.js'
import { table } from '../output/table.js'
import { ServerLine } from '../server/server-line.js'
import { askState } from '../server/server-state.js'
import { findTarget, type TargetChoice } from '../target/find-target.js'
import type { TargetDatabase, TargetServer } from '../target/target.js'
import type { CommandContext } from './command.js'

/** One server, and whether it answered. */
interface Pinged {
  readonly database: string
  readonly server: string
  readonly ok: boolean
  readonly role?: string
  readonly version?: string
  readonly connectMs?: number | undefined
  readonly answerMs?: number | undefined
  readonly error?: string
}

/** Asks every server of every database once. Exit code 1 if one does not answer. */
export async function ping(context: CommandContext, choice: TargetChoice): Promise<Outcome> {
  const { io, colors, signal, timeoutMs } = context
  const { databases } = await findTarget(choice, io)
  const lists = databases.map(async (database) => {
    const servers = await database.servers(
      AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    )
    return await Promise.all(servers.map((server) => pingServer(context, database, server)))
  })
  const servers = (await Promise.all(lists)).flat()
  const rows = servers.map(({ database, server, ok, role = '', version = '', ...times }) => [
    database,
    server,
    ok ? role : colors.red('no answer'),
    version,
    showMs(times.connectMs),
    showMs(times.answerMs),
  ])
  const failed = servers.filter(({ ok }) => !ok)
  return {
    exitCode: failed.length === 0 ? 0 : 1,
    document: { servers },
    text: [
      table(['database', 'server', 'role', 'version', 'connect', 'answer'], rows),
      ...failed.map(({ error }) => colors.red(error!)),
    ].join('\n'),
  }
}

async function pingServer(
  { timeoutMs, signal }: CommandContext,
  { name: database, options: { pool } }: TargetDatabase,
  server: TargetServer,
): Promise<Pinged> {
  const about = { database, server: server.endpoint }
  try {
    const line = await ServerLine.open(server, { timeoutMs, signal, pool })
    try {
      const { role, version, answerMs } = await askState(line)
      const times = { connectMs: roundMs(line.connectMs), answerMs: roundMs(answerMs) }
      return { ...about, ok: true, role, version, ...times }
    } finally {
      await line.close()
    }
  } catch (error) {
    signal.throwIfAborted()
    return { ...about, ok: false, error: printable(messageOf(error)) }
  }
}
