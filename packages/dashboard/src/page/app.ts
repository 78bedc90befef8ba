import { html } from 'htm/preact'
import type { VNode } from 'preact'
import { useState } from 'preact/hooks'
import { Budgets } from './budgets.js'
import { Charts } from './charts.js'
import { Events } from './events.js'
import { Holders } from './holders.js'
import { Leaks } from './leaks.js'
import type { View } from './live-view.js'
import { Pools } from './pools.js'
import { Routes } from './routes.js'
import { SlowTexts } from './slow-texts.js'

import { Topologies } from './topologies.js'

const WORDS = { connecting: 'connecting', live: 'live', lost: 'not connected' } as const

/** The whole page. */
export function App({ view: newest }: { view: View }): VNode {
  // What is shown while the page stands still, so that a row can be read.
  const [kept, keep] = useState<View | undefined>(undefined)
  const view = kept === undefined ? newest : { ...kept, connection: newest.connection }
  const { state, connection } = view
  return html`
    <header class="top">
      <h1><span class="logo" aria-hidden="true"></span>Poolhouse</h1>
      <p class="who">${state === undefined ? '' : `process ${state.pid}`}</p>
      <p class="connection ${connection}" role="status">
        <span class="dot" aria-hidden="true"></span>${WORDS[connection]}
      </p>
      <button
        type="button"
        class="pause"
        aria-pressed=${kept !== undefined}
        onClick=${() => keep(kept === undefined ? newest : undefined)}
      >
        ${kept === undefined ? 'Pause' : 'Paused'}
      </button>
    </header>
    <main class=${connection === 'lost' ? 'stale' : ''}>
      ${state === undefined ? html`<p class="empty">Waiting for the first numbers …</p>` : sections(view)}
    </main>
  ` as VNode
}

function sections(view: View): VNode {
  return html`
    <${Topologies} view=${view} />
    <${Pools} view=${view} />
    <${Charts} view=${view} />
    <div class="columns">
      <${Routes} view=${view} />
      <${Events} view=${view} />
    </div>
    <div class="columns">
      <div class="stack"><${Holders} view=${view} /><${Leaks} view=${view} /><${Budgets} view=${view} /></div>
      <${SlowTexts} view=${view} />
    </div>
  ` as VNode
}
