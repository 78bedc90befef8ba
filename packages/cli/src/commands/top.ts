import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome } from '../outcome.js'
import { roundMs } from '../output/show.js'
import { findTarget, type TargetChoice } from '../target/find-target.js'
import { bytesBehind, type DatabaseSample, frameOf, lineOf } from '../top/frame.js'
import { ServerWatch } from '../top/server-watch.js'
import type { CommandContext } from './command.js'

/** Options of `top`. */
export interface TopOptions extends TargetChoice {
  /** Time between two looks, in milliseconds. */
  readonly intervalMs: number
  /** How many looks. Default: until it is ended; with `--json` two, so that there are rates. */
  readonly count?: number | undefined
}

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const END_OF_LINE = '\u001b[K'
const REST = '\u001b[J'

/**
 * Shows what the servers and their clients do: as a page on a terminal, as lines elsewhere. Exit
 * code 1 if at the last look a server did not answer; 0 if a signal has ended it.
 */
export async function top(context: CommandContext, options: TopOptions): Promise<Outcome> {
  const { io, timeoutMs, signal, json } = context
  const { databases } = await findTarget(options, io)
  const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  const groups = await Promise.all(
    databases.map(async (database) => {
      const {
        name,
        options: { pool },
      } = database
      const servers = await database.servers(within)
      return {
        name,
        watches: servers.map((one) => new ServerWatch(one, { timeoutMs, signal, pool })),
      }
    }),
  )
  const look = (): Promise<DatabaseSample[]> =>
    Promise.all(
      groups.map(async ({ name, watches }) => ({
        database: name,
        servers: await Promise.all(watches.map((watch) => watch.sample())),
      })),
    )
  const screen = io.stdout.isTTY === true && !json
  const { intervalMs, count = json ? 2 : Number.POSITIVE_INFINITY } = options
  let last: DatabaseSample[] = []
  if (screen) context.say(ENTER)
  try {
    for (let looked = 0; looked < count && !signal.aborted; looked++) {
      if (looked > 0) await sleep(intervalMs, undefined, { signal })
      last = await look()
      show(context, last, screen)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    if (screen) context.say(LEAVE)
    await Promise.all(groups.flatMap(({ watches }) => watches.map((watch) => watch.close())))
  }
  const isWell = last.every(({ servers }) => servers.every(({ state }) => state !== undefined))
  return { exitCode: signal.aborted || isWell ? 0 : 1, document: documentOf(last), text: '' }
}

function show(
  { say, colors, io }: CommandContext,
  samples: readonly DatabaseSample[],
  screen: boolean,
): void {
  const at = new Date()
  if (!screen) {
    for (const { database, servers } of samples) {
      for (const one of servers) say(`${lineOf(database, one, servers, at)}\n`)
    }
    return
  }
  const lines = frameOf(samples, at, colors)
    .split('\n')
    .slice(0, (io.stdout.rows ?? 24) - 1)
  say(`${HOME}${lines.map((line) => `${line}${END_OF_LINE}\n`).join('')}${REST}`)
}

function documentOf(samples: readonly DatabaseSample[]): Record<string, unknown> {
  return {
    servers: samples.flatMap(({ database, servers }) =>
      servers.map((sample) => ({
        database,
        server: sample.server,
        ok: sample.state !== undefined,
        role: sample.state?.role,
        timeline: sample.state?.timeline,
        behindBytes: bytesBehind(sample, servers),
        answerMs: roundMs(sample.state?.answerMs),
        transactionsPerSecond: sample.perSecond,
        ...(sample.activity && { activity: sample.activity }),
        ...(sample.error !== undefined && { error: sample.error }),
      })),
    ),
  }
}
