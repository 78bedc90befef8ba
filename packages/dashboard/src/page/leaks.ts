import { html } from 'htm/preact'
import type { VNode } from 'preact'
import { duration } from './format.js'
import { Stack } from './holders.js'
import type { View } from './live-view.js'

/** Leases that were not given back. */
export function Leaks({ view }: { view: View }): VNode {
  const leaks = view.state?.leaks ?? []
  return html`
    <section aria-labelledby="leaks">
      <h2 id="leaks">Leaks</h2>
      ${leaks.length === 0 ? html`<p class="empty">Every lease came back in time.</p>` : ''}
      <ul class="rows">
        ${leaks.map(
          ({ node, heldMs, agoMs, statement, stack }) => html`
            <li>
              <p class="head">
                <strong class="trouble">${duration(heldMs)}</strong><span>${node}</span><span class="faint">${duration(agoMs)} ago</span>
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
