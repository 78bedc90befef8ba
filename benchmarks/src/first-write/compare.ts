import type { ManagedCluster } from '@poolhouse/testkit'
import { startHaproxy, startPatroni, startPgAutoFailover } from '@poolhouse/testkit'
import { type Checks, contenders } from './contenders.js'
import { type Failover, failOver, LONGEST_MS } from './failovers.js'

/** The failovers of each contender, by the name of the cluster. */
type Comparison = Readonly<Record<string, Readonly<Record<string, readonly Failover[]>>>>

// What Patroni's own template for HAProxy has; the testkit's proxy asks more often.
const TEMPLATE = 'default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions'

/** Every contender on every cluster, in turns, as many failovers of each as there are rounds. */
export async function compareFirstWrites(
  script: string,
  rounds: number,
  only: string,
): Promise<Comparison> {
  const found: Record<string, Record<string, Failover[]>> = {}
  if ('Patroni'.includes(only)) {
    await using patroni = await startPatroni({ nodes: 2 })
    const ports = patroni.restUrls.map((url) => Number(new URL(url).port))
    const start = (lines: readonly string[]) =>
      startHaproxy({ targets: patroni.urls, health: { path: '/primary', ports }, lines })
    await using template = await start([TEMPLATE])
    await using quick = await start([])
    const proxies = { template: template.url, quick: quick.url }
    found['Patroni'] = await compare(patroni, script, rounds, proxies)
  }
  if ('pg_auto_failover'.includes(only)) {
    await using formation = await startPgAutoFailover({ nodes: 2 })
    found['pg_auto_failover'] = await compare(formation, script, rounds, undefined)
  }
  return found
}

async function compare(
  cluster: ManagedCluster,
  script: string,
  rounds: number,
  proxies: Readonly<Record<Checks, string>> | undefined,
): Promise<Record<string, Failover[]>> {
  await (await cluster.leader()).sql('create table first_write (id text not null)')
  const names = Object.keys(contenders).filter(
    (name) => proxies !== undefined || contenders[name]!.proxy === undefined,
  )
  const found: Record<string, Failover[]> = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const { proxy } = contenders[name]!
      const urls = proxy === undefined ? cluster.urls : [proxies![proxy]]
      const failover = await failOver(cluster, script, name, urls)
      found[name]!.push(failover)
      console.error(`round ${round + 1}, ${name}: ${JSON.stringify(failover)}`)
    }
  }
  return found
}

/** One table for each cluster, in Markdown. */
export function firstWriteTables(comparison: Comparison): string[] {
  return Object.entries(comparison).flatMap(([cluster, rows]) => [
    `| ${cluster}: the primary’s node is killed | promotion → first write, ms | calls sent again by the caller | uncaught exceptions |`,
    '| --- | --- | --- | --- |',
    ...Object.entries(rows).map(([name, failovers]) => {
      const times = failovers.map(({ firstWriteMs }) => firstWriteMs ?? Number.POSITIVE_INFINITY)
      const failed = failovers.map(({ failed }) => failed)
      const uncaught = failovers.map(({ uncaught }) => uncaught)
      return `| ${name} | ${medianAndRange(times)} | ${medianAndRange(failed)} | ${medianAndRange(uncaught)} |`
    }),
    '',
  ])
}

function medianAndRange(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b)
  const shown = (value: number): string =>
    value === Number.POSITIVE_INFINITY ? `> ${LONGEST_MS}` : String(Math.round(value))
  const [least, most] = [sorted[0]!, sorted.at(-1)!]
  const median = shown(sorted[sorted.length >> 1]!)
  return least === most ? median : `${median} (${shown(least)} to ${shown(most)})`
}
