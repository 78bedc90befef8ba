import type { Attributes } from '@opentelemetry/api'
import type { DataPoint, Histogram, ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { tellRows } from './tell.js'

/** The metrics that are shown, each with the attributes that its values are added up by. */
const SHOWN: readonly (readonly [metric: string, by: readonly string[]])[] = [
  ['db.client.operation.duration', ['server.port', 'error.type']],
  ['db.client.connection.count', ['db.client.connection.pool.name', 'db.client.connection.state']],
  ['db.client.connection.wait_time', ['db.client.connection.pool.name']],
  ['poolhouse.node.state', ['poolhouse.node', 'poolhouse.node.state']],
  ['poolhouse.routing.decisions', ['poolhouse.route.target', 'poolhouse.route.reason']],
  ['poolhouse.failover.duration', ['poolhouse.pool', 'poolhouse.failover.outcome']],
  ['poolhouse.hold.duration', ['poolhouse.pool']],
  ['poolhouse.calls.in_doubt', ['poolhouse.node']],
  ['poolhouse.calls.retried', ['poolhouse.pool']],
]

interface Sum {
  readonly isHistogram: boolean
  value: number
  count: number
}

/** Prints some of what the reader has exported, added up by a few attributes. */
export function tellMetrics(
  what: string,
  exported: ResourceMetrics,
  nodeAt: (port: unknown) => string,
): void {
  const rows: string[][] = []
  for (const [name, by] of SHOWN) {
    for (const [key, sum] of sums(exported, name, by, nodeAt)) rows.push([name, key, text(sum)])
  }
  tellRows(what, rows)
}

/** How many values a histogram of this name has; 0 if it was not exported. */
export function countOf(exported: ResourceMetrics, name: string): number {
  const all = [...sums(exported, name, [], String).values()]
  return all.reduce((count, sum) => count + sum.count, 0)
}

function sums(
  exported: ResourceMetrics,
  name: string,
  by: readonly string[],
  nodeAt: (port: unknown) => string,
): Map<string, Sum> {
  const points = exported.scopeMetrics
    .flatMap(({ metrics }) => metrics)
    .filter(({ descriptor }) => descriptor.name === name)
    .flatMap(({ dataPoints }) => dataPoints as DataPoint<number | Histogram>[])
  const found = new Map<string, Sum>()
  for (const { attributes, value } of points) {
    const isHistogram = typeof value !== 'number'
    const [amount, count] = isHistogram ? [value.sum ?? 0, value.count] : [value, 1]
    if (count === 0 || (amount === 0 && !isHistogram)) continue
    const key = keyOf(attributes, by, nodeAt)
    const sum = found.get(key) ?? { isHistogram, value: 0, count: 0 }
    sum.value += amount
    sum.count += count
    found.set(key, sum)
  }
  return new Map([...found].sort(([a], [b]) => a.localeCompare(b)))
}

function keyOf(
  attributes: Attributes,
  by: readonly string[],
  nodeAt: (port: unknown) => string,
): string {
  return by
    .filter((name) => attributes[name] !== undefined)
    .map((name) => (name === 'server.port' ? nodeAt(attributes[name]) : String(attributes[name])))
    .join(', ')
}

/** Durations are exported in seconds. */
function text({ isHistogram, value, count }: Sum): string {
  if (!isHistogram) return String(value)
  return `${count} × ${((value / count) * 1_000).toFixed(1)} ms on average`
}
