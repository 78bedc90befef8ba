import type { Colors } from '../output/colors.js'
import { showMs } from '../output/show.js'
import { table } from '../output/table.js'
import type { ServerSample } from './server-watch.js'

/** The servers of one database at one moment. */
export interface DatabaseSample {
  /** Name of the database in the configuration. */
  readonly database: string
  /** Its servers. */
  readonly servers: readonly ServerSample[]
}

/** How far a standby is behind the primary among its siblings, in bytes of the log. */
export function bytesBehind(
  { state }: ServerSample,
  servers: readonly ServerSample[],
): number | undefined {
  if (state?.inRecovery !== true || state.lsn === undefined) return undefined
  const primary = servers.find((one) => one.state?.inRecovery === false)?.state
  if (primary?.lsn === undefined) return undefined
  return Math.max(0, Number(primary.lsn - state.lsn))
}

/** Shows the samples as a table, for a terminal. */
export function frameOf(samples: readonly DatabaseSample[], at: Date, colors: Colors): string {
  const rows = samples.flatMap(({ database, servers }) =>
    servers.map((sample) => [database, sample.server, ...cellsOf(sample, servers, colors)]),
  )
  const errors = samples.flatMap(({ servers }) => servers.flatMap(({ error = [] }) => error))
  return [
    `${colors.bold('poolhouse top')}  ${at.toISOString().slice(11, 19)}  ${colors.dim('Ctrl-C ends it')}`,
    '',
    table(
      [
        'database',
        'server',
        'role',
        'timeline',
        'behind',
        'answer',
        'tx/s',
        'clients',
        'active',
        'in tx',
        'blocked',
        'oldest tx',
      ],
      rows,
    ),
    ...errors.map((error) => colors.red(error)),
    '',
    ...applicationsOf(samples, colors),
  ].join('\n')
}

function cellsOf(sample: ServerSample, servers: readonly ServerSample[], colors: Colors): string[] {
  const { state, activity, perSecond } = sample
  if (state === undefined || activity === undefined) return [colors.red('no answer')]
  const behind = bytesBehind(sample, servers)
  const warn = (count: number): string => (count === 0 ? '0' : colors.yellow(String(count)))
  return [
    state.role === 'primary' ? colors.green(state.role) : state.role,
    state.timeline === undefined ? '-' : String(state.timeline),
    behind === undefined ? '-' : showBytes(behind),
    showMs(state.answerMs),
    perSecond === undefined ? '-' : perSecond.toFixed(perSecond < 10 ? 1 : 0),
    String(activity.clients),
    String(activity.active),
    warn(activity.inTransaction),
    warn(activity.blocked),
    showMs(activity.oldestMs),
  ]
}

function applicationsOf(samples: readonly DatabaseSample[], colors: Colors): string[] {
  const rows = samples.flatMap(({ servers }) =>
    servers.flatMap(({ server, activity }) =>
      (activity?.applications ?? []).map(({ name, clients }) => [server, name, String(clients)]),
    ),
  )
  return rows.length === 0
    ? []
    : [colors.dim('applications'), table(['server', 'name', 'clients'], rows)]
}

/** Shows one server as a line of words, for a log or a pipe. */
export function lineOf(
  database: string,
  sample: ServerSample,
  servers: readonly ServerSample[],
  at: Date,
): string {
  const { server, state, activity, perSecond, error } = sample
  const about = `${at.toISOString()} ${database} ${server}`
  if (state === undefined || activity === undefined) return `${about} no-answer ${error ?? ''}`
  const behind = bytesBehind(sample, servers)
  return [
    `${about} ${state.role}`,
    ...(behind === undefined ? [] : [`behind=${behind}`]),
    `answer=${state.answerMs.toFixed(2)}ms`,
    ...(perSecond === undefined ? [] : [`tx/s=${perSecond.toFixed(1)}`]),
    `clients=${activity.clients} active=${activity.active} in-tx=${activity.inTransaction} blocked=${activity.blocked}`,
  ].join(' ')
}

function showBytes(count: number): string {
  if (count < 1_024) return `${count} B`
  const kib = count / 1_024
  return kib < 1_024 ? `${kib.toFixed(1)} KiB` : `${(kib / 1_024).toFixed(1)} MiB`
}
