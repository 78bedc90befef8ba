import { html } from 'htm/preact'
import type { VNode } from 'preact'
import { timeOfDay } from './format.js'
import type { View } from './live-view.js'

/** How many of the newest entries are shown. */
const SHOWN = 60
const SIGNS = { note: '·', trouble: '✕', relief: '✓' } as const

/** What happened, the newest first. */
export function Events({ view }: { view: View }): VNode {
  const entries = view.entries.slice(-SHOWN).reverse()
  const isOne = new Set(entries.map(({ pool }) => pool)).size < 2
  return html`
    <section aria-labelledby="events">
      <h2 id="events">What happened</h2>
      ${entries.length === 0 ? html`<p class="empty">Nothing that is worth a line.</p>` : ''}
      <ol class="events" tabindex="0" aria-labelledby="events">
        ${entries.map(
          ({ seq, at, pool, kind, text }) => html`
            <li key=${seq} class=${kind}>
              <time>${timeOfDay(at + view.toWall)}</time>
              <span class="sign" aria-hidden="true">${SIGNS[kind]}</span>
              <span class="text">${isOne ? '' : html`<strong>${pool}</strong> `}${text}</span>
            </li>
          `,
        )}
      </ol>
    </section>
  ` as VNode
}
