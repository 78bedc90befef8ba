import { html } from 'htm/preact'
import type { VNode } from 'preact'
import { duration } from './format.js'
import type { View } from './live-view.js'

/** The leases that are out for longest, with the statement that each ran last. */
export function Holders({ view }: { view: View }): VNode {
  const holders = view.state?.holders ?? []
  return html`
    <section aria-labelledby="holders">
      <h2 id="holders">Longest holders</h2>
      ${holders.length === 0 ? html`<p class="empty">No connection is out.</p>` : ''}
      <ul class="rows">
        ${holders.map(
          ({ node, backendPid, heldMs, state, statement, stack }) => html`
            <li key=${`${node} ${backendPid}`}>
              <p class="head">
                <strong>${duration(heldMs)}</strong>
                <span>${node}, process ${backendPid}</span>
                <span class=${state === 'idle in transaction' ? 'warning' : 'faint'}>${state}</span>
              </p>
              ${statement === undefined ? '' : html`<code>${statement}</code>`}
              ${stack === undefined ? '' : html`<${Stack} text=${stack} />`}
            </li>
          `,
        )}
      </ul>
    </section>
  ` as VNode
}

/** Where a lease was acquired, behind a word that opens it. */
export function Stack({ text }: { text: string }): VNode {
  return html`
    <details><summary>acquired at</summary><pre>${text.replace(/^Error\n/, '')}</pre></details>
  ` as VNode
}
