import { type Diagnosis, diagnose } from '../doctor/diagnose.js'
import type { Finding, Severity } from '../doctor/finding.js'
import type { Outcome } from '../outcome.js'
import type { Colors } from '../output/colors.js'
import { roundMs, showCount, showMs } from '../output/show.js'
import { table } from '../output/table.js'
import type { TargetChoice } from '../target/find-target.js'
import type { CommandContext } from './command.js'

/** Options of `doctor`. */
export interface DoctorOptions extends TargetChoice {
  /** How many processes the application has. */
  readonly processes?: number | undefined
  /** Whether notes count as findings. */
  readonly strict?: boolean | undefined
}

/**
 * Examines project, configuration and servers. Exit code 1 for a finding, 2 if one is about the
 * configuration.
 */
export async function doctor(context: CommandContext, options: DoctorOptions): Promise<Outcome> {
  const { io, timeoutMs, signal, colors } = context
  const { cwd, env } = io
  const diagnosis = await diagnose({ ...options, cwd, env, timeoutMs, signal })
  const { findings, notes } = diagnosis
  const servers = diagnosis.servers.map(({ connectMs, answerMs, ...one }) => ({
    ...one,
    connectMs: roundMs(connectMs),
    answerMs: roundMs(answerMs),
  }))
  const isWell = findings.length === 0 && (options.strict !== true || notes.length === 0)
  const isConfig = findings.some(({ check }) => check === 'config')
  return {
    exitCode: isConfig ? 2 : isWell ? 0 : 1,
    document: { findings, notes, servers },
    text: textOf(diagnosis, colors),
  }
}

function textOf({ findings, notes, servers }: Diagnosis, colors: Colors): string {
  const rows = servers.map(
    ({ database, server, role, version, timeline, connections, ...times }) => [
      database,
      server,
      role ?? colors.red('no answer'),
      version ?? '',
      timeline === undefined ? '' : String(timeline),
      connections === undefined ? '' : String(connections),
      showMs(times.connectMs),
      showMs(times.answerMs),
    ],
  )
  const head = [
    'database',
    'server',
    'role',
    'version',
    'timeline',
    'connections',
    'connect',
    'answer',
  ]
  const all = grouped([...findings, ...notes])
  const counts = [showCount(findings.length, 'finding'), showCount(notes.length, 'note')]
  const verdict = findings.length === 0 ? colors.green('all is well') : colors.red(counts[0]!)
  return [
    ...(rows.length === 0 ? [] : [table(head, rows), '']),
    ...all.flatMap((finding) => lines(finding, colors)),
    ...(all.length === 0 ? [] : ['']),
    notes.length === 0 ? verdict : `${verdict}, ${counts[1]}`,
  ].join('\n')
}

const SIGNS: Readonly<Record<Severity, string>> = { error: '✗', warning: '!', note: 'i' }

interface Group {
  readonly finding: Finding
  readonly subjects: string[]
}

/** Findings that differ in their server alone are told once. */
function grouped(findings: readonly Finding[]): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const finding of findings) {
    const { severity, check, message, advice, server, database } = finding
    const key = JSON.stringify([severity, check, message, advice])
    const group = groups.get(key) ?? { finding, subjects: [] }
    groups.set(key, group)
    const subject = server ?? database
    if (subject !== undefined && !message.includes(subject)) group.subjects.push(subject)
  }
  return [...groups.values()]
}

function lines({ finding, subjects }: Group, colors: Colors): string[] {
  const { severity, check, message, advice } = finding
  const color = { error: colors.red, warning: colors.yellow, note: colors.dim }[severity]
  const about = subjects.length === 0 ? '' : `${subjects.sort().join(', ')}: `
  return [
    `${color(`${SIGNS[severity]} ${check}`)}  ${about}${message}`,
    `    ${colors.dim('→')} ${advice}`,
  ]
}
