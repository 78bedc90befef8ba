import type { TopologyNode, TopologySnapshot } from '@poolhouse/core'
import { formatEndpoint } from '@poolhouse/core/kit'

/** The calls that wait for a primary. */
export interface HeldCalls {
  readonly calls: number
  /** For how long calls have been held, in milliseconds. */
  readonly heldMs: number
}

/**
 * What has changed between two snapshots, in one line for humans: first the new primary and how
 * long calls were held for it, then the other nodes.
 */
export function describeChange(
  previous: TopologySnapshot,
  next: TopologySnapshot,
  held: HeldCalls | undefined,
): string {
  const news: string[] = []
  const { primary } = next
  if (primary !== undefined && primary.pool !== previous.primary?.pool) {
    news.push(rise(previous, next, primary))
    if (held !== undefined) {
      news.push(`${counted(held.calls, 'call')} held ${Math.round(held.heldMs)} ms`)
    }
  } else if (primary !== undefined && next.timeline !== previous.timeline) {
    news.push(`${label(primary)} stays primary: ${steps(previous, next)}`)
  }
  for (const node of next.nodes) {
    const former = previous.nodes.find(({ id }) => id === node.id)
    if (node === primary && primary.pool !== previous.primary?.pool) continue
    if (former === undefined) news.push(`${label(node)} joined as ${described(node)}`)
    else if (former.state !== node.state || former.reason !== node.reason) {
      news.push(`${label(node)} ${described(node)}`)
    } else if (former.zone !== node.zone) {
      news.push(`${label(node)} is in zone ${node.zone ?? 'unknown'}`)
    }
  }
  for (const node of previous.nodes) {
    if (!next.nodes.some(({ id }) => id === node.id)) news.push(`${label(node)} left`)
  }
  if (news.length > 0) return news.join('; ')
  return next.systemId === previous.systemId
    ? steps(previous, next)
    : `the system is ${next.systemId ?? 'unknown'}`
}

function rise(previous: TopologySnapshot, next: TopologySnapshot, primary: TopologyNode): string {
  const isRise = (next.timeline ?? 0) > (previous.timeline ?? Number.POSITIVE_INFINITY)
  if (isRise && next.systemId === previous.systemId) {
    return `${label(primary)} promoted: ${steps(previous, next)}`
  }
  return `${label(primary)} ${primary.reason}`
}

function steps(previous: TopologySnapshot, next: TopologySnapshot): string {
  const now = next.timeline ?? 'unknown'
  return previous.timeline === undefined || previous.timeline === next.timeline
    ? `timeline ${now}`
    : `timeline ${previous.timeline} → ${now}`
}

/** `host:port`, after the node's name if that is something else. */
function label({ id, endpoint }: TopologyNode): string {
  const full = formatEndpoint(endpoint)
  const address = full.slice(0, full.length - endpoint.database.length - 1)
  return id === full || id === address ? address : `"${id}" (${address})`
}

function described({ state, reason }: TopologyNode): string {
  return reason === state ? state : `${state} (${reason})`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
