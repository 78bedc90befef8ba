import { html } from 'htm/preact'
import type { VNode } from 'preact'
import type { NodeView, PoolView } from '../dashboard-state.js'
import { ConnectionBar } from './connection-bar.js'
import { duration, rate, titleOf } from './format.js'
import { Lanes } from './lanes.js'
import type { View } from './live-view.js'
import { lookOf } from './node-state.js'

/** The servers of each pool that has several: roles, lag, and what became of them. */
export function Topologies({ view }: { view: View }): VNode {
  const pools = (view.state?.pools ?? []).filter(({ nodes }) => nodes.length > 0)
  return html`${pools.map((pool) => html`<${Topology} key=${pool.key} pool=${pool} view=${view} />`)}` as VNode
}

function Topology({ pool, view }: { pool: PoolView; view: View }): VNode {
  const { name, nodes, hasPrimary, timeline, heldSince } = pool
  return html`
    <section class="topology ${hasPrimary === false ? 'headless' : ''}" data-pool=${name}>
      <div class="headline">
        <h2>${titleOf(pool)}</h2>
        <p class="verdict" role="status" data-value="verdict">${verdict(pool)}</p>
        ${
          heldSince === undefined
            ? ''
            : html`<p class="held">for ${duration((view.state?.at ?? heldSince) - heldSince)}</p>`
        }
        ${
          timeline === undefined
            ? ''
            : html`<p class="timeline">timeline <strong data-value="timeline">${timeline}</strong></p>`
        }
      </div>
      <ul class="nodes">
        ${nodes.map((node) => html`<${Node} key=${node.id} node=${node} />`)}
      </ul>
      <${Lanes} pool=${pool} view=${view} />
    </section>
  ` as VNode
}

/** Names without numbers that run: a reader of the screen speaks each change. */
function verdict({ nodes, hasPrimary }: PoolView): string {
  if (hasPrimary === undefined) return `${nodes.length} servers`
  if (!hasPrimary) return 'no primary: calls that may write are held'
  const primary = nodes.find(({ state }) => state === 'primary')
  const missing = nodes.filter(({ state }) => state !== 'primary' && state !== 'replica')
  const rest =
    missing.length === 0
      ? `all ${nodes.length} servers are well`
      : missing.map(({ id, state }) => `${id} is ${state}`).join(', ')
  return `${primary?.id ?? '?'} is the primary; ${rest}`
}

function Node({ node }: { node: NodeView }): VNode {
  const { id, endpoint, state, reason, zone, lagMs, connections, perSecond } = node
  const { sign, tone } = lookOf(state)
  const hasReason = reason !== undefined && tone !== 'primary' && tone !== 'replica'
  return html`
    <li class="node ${tone}" data-node=${id}>
      <p class="name">
        <span class="sign" aria-hidden="true">${sign}</span>
        <strong>${id}</strong>
        <span class="role" data-value="state">${state ?? ''}</span>
      </p>
      ${endpoint === undefined ? '' : html`<p class="endpoint">${endpoint}${zone === undefined ? '' : `, zone ${zone}`}</p>`}
      <${ConnectionBar} of=${connections} />
      <dl>
        <div><dt>used</dt><dd data-value="used">${connections.used}</dd></div>
        <div><dt>idle</dt><dd data-value="idle">${connections.idle}</dd></div>
        <div><dt>per s</dt><dd>${perSecond === undefined ? '–' : rate(perSecond)}</dd></div>
        <div>
          <dt>lag</dt>
          <dd data-value="lag">${state === 'primary' ? '–' : duration(lagMs)}</dd>
        </div>
      </dl>
      ${hasReason ? html`<p class="reason">${reason}</p>` : ''}
    </li>
  ` as VNode
}
