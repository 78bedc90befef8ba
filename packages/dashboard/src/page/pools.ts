import { html } from 'htm/preact'
import type { VNode } from 'preact'
import type { PoolView } from '../dashboard-state.js'
import { ConnectionBar } from './connection-bar.js'
import { count, duration, rate, titleOf } from './format.js'
import type { View } from './live-view.js'

/** The connections of each pool, and how long its callers wait. */
export function Pools({ view }: { view: View }): VNode {
  const pools = view.state?.pools ?? []
  return html`
    <section aria-labelledby="pools">
      <h2 id="pools">Pools</h2>
      <ul class="pools">
        ${pools.map((pool) => html`<${Pool} key=${pool.key} pool=${pool} />`)}
      </ul>
    </section>
  ` as VNode
}

function Pool({ pool }: { pool: PoolView }): VNode {
  const { name, kind, connections, counters, wait, query, perSecond } = pool
  const { used, idle, waiting, max } = connections
  return html`
    <li class="pool" data-pool=${name} data-kind=${kind}>
      <div class="pool-name"><strong>${titleOf(pool)}</strong><${ConnectionBar} of=${connections} /></div>
      <dl>
        ${value('used', used)} ${value('idle', idle)}
        ${value('waiting', waiting, waiting > 0 ? 'warning' : '')} ${value('max', max)}
        ${text('per s', rate(perSecond))} ${text('wait p50', duration(wait?.p50))}
        ${text('wait p99', duration(wait?.p99))} ${text('query p50', duration(query?.p50))}
        ${text('query p99', duration(query?.p99))} ${value('acquired', counters['acquired'] ?? 0)}
        ${value('created', counters['created'] ?? 0)} ${value('timeouts', counters['timeouts'] ?? 0)}
        ${value('errors', counters['errors'] ?? 0)}
      </dl>
    </li>
  ` as VNode
}

function value(name: string, number: number, tone = ''): VNode {
  return html`
    <div class=${tone}><dt>${name}</dt><dd data-value=${name}>${count(number)}</dd></div>
  ` as VNode
}

function text(name: string, shown: string): VNode {
  return html`<div><dt>${name}</dt><dd>${shown}</dd></div>` as VNode
}
