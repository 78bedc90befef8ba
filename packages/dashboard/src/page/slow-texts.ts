import { html } from 'htm/preact'
import type { VNode } from 'preact'
import { duration } from './format.js'
import type { View } from './live-view.js'

/** The statements that took longest, by their texts. Values never come here. */
export function SlowTexts({ view }: { view: View }): VNode {
  const slowest = view.state?.slowest ?? []
  return html`
    <section aria-labelledby="slowest">
      <h2 id="slowest">Slowest statements</h2>
      ${slowest.length === 0 ? html`<p class="empty">None yet.</p>` : ''}
      <ul class="rows">
        ${slowest.map(
          ({ node, text, ms, agoMs }) => html`
            <li key=${`${node} ${text}`}>
              <p class="head">
                <strong>${duration(ms)}</strong>
                <span>${node}</span>
                <span class="faint">${duration(agoMs)} ago</span>
              </p>
              <code>${text}</code>
            </li>
          `,
        )}
      </ul>
    </section>
  ` as VNode
}
