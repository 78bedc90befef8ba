import type { TargetDatabase } from '../target/target.js'
import { type AnsweringServer, answering, type ExaminedServer } from './examined-server.js'
import type { Report } from './finding.js'

/** Says something about one server, or about none. */
export type ReportAbout = (server: string | undefined) => Report

/** Reports what the servers of one database are together: who is the primary, and who follows. */
export function checkRoles(
  { kind }: TargetDatabase,
  servers: readonly ExaminedServer[],
  about: ReportAbout,
): void {
  const answers = answering(servers)
  if (kind === 'followed') checkFollowed(servers, answers, about(undefined))
  else for (const one of answers) checkConfigured(one, about(one.server.endpoint))
  checkIdentity(answers, about(undefined))
  checkTwins(answers, about)
}

function checkFollowed(
  servers: readonly ExaminedServer[],
  answers: readonly AnsweringServer[],
  report: Report,
): void {
  const writable = answers.filter(({ state }) => !state.inRecovery)
  const names = listOf(writable)
  if (writable.length === 1) {
    if (servers.length > 1) return
    report(
      'note',
      'roles',
      'the cluster has one server, so there is none to fail over to',
      'list the standbys too, if there are any',
    )
  } else if (writable.length > 1) {
    const highest = Math.max(...writable.map(({ state }) => state.timeline ?? 0))
    const newest = writable.filter(({ state }) => state.timeline === highest)
    report(
      'error',
      'roles',
      `${writable.length} servers claim to be the primary: ${names}`,
      newest.length === 1
        ? `${newest[0]!.server.endpoint} is on the highest timeline and is the one that Poolhouse uses; stop the others, and bring them back as standbys`
        : 'all writes are refused (split brain): stop all but one, and bring the others back as standbys',
    )
  } else if (answers.length > 0) {
    const down = servers.length - answers.length
    report(
      'error',
      'roles',
      down === 0
        ? `there is no primary: all ${answers.length} servers are in recovery`
        : `there is no primary: ${answers.length} servers are in recovery and ${down} do not answer`,
      'promote one (pg_promote, patronictl failover), or list the server that is the primary',
    )
  }
}

function checkConfigured({ server, state }: AnsweringServer, report: Report): void {
  if (server.role === 'primary' && state.inRecovery) {
    report(
      'error',
      'roles',
      'it is configured as the primary and is in recovery: it takes no writes',
      'give the address of the primary; or list all servers as nodes, and the primary is found and followed',
    )
  } else if (server.role === 'replica' && !state.inRecovery) {
    report(
      'error',
      'roles',
      'it is configured as a replica and is a primary of its own: its reads would not show our writes',
      'point it at the primary as a standby, or take it off the list',
    )
  }
}

function checkIdentity(answers: readonly AnsweringServer[], report: Report): void {
  const systems = new Map<string, AnsweringServer[]>()
  for (const one of answers) {
    const { systemId } = one.state
    if (systemId === undefined) continue
    systems.set(systemId, [...(systems.get(systemId) ?? []), one])
  }
  if (systems.size < 2) return
  const groups = [...systems.values()].map(listOf).join(' | ')
  report(
    'error',
    'identity',
    `the servers belong to ${systems.size} different clusters: ${groups}`,
    'list only the servers of one cluster',
  )
}

function checkTwins(answers: readonly AnsweringServer[], about: ReportAbout): void {
  const seen = new Map<string, string>()
  for (const { server, state } of answers) {
    const { systemId, startedAt, place } = state
    if (systemId === undefined || startedAt === undefined || place === undefined) continue
    const key = `${systemId} ${startedAt} ${place}`
    const former = seen.get(key)
    if (former === undefined) seen.set(key, server.endpoint)
    else {
      about(server.endpoint)(
        'warning',
        'identity',
        `it is the same server as ${former}`,
        'list each server once',
      )
    }
  }
}

function listOf(servers: readonly AnsweringServer[]): string {
  return servers
    .map(({ server, state }) => `${server.endpoint} (timeline ${state.timeline ?? 'unknown'})`)
    .join(', ')
}
