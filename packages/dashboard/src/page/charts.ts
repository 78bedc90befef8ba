import { html } from 'htm/preact'
import type { VNode } from 'preact'
import { useState } from 'preact/hooks'
import { Chart, type Line } from './chart.js'
import { count, duration, titleOf } from './format.js'
import type { View } from './live-view.js'

const USED: Line = { label: 'used', colour: 'used', isFilled: true }
const IDLE: Line = { label: 'idle', colour: 'idle', isFilled: true, isOnTop: true }
const WAITING: Line = { label: 'waiting', colour: 'warning' }
const P50: Line = { label: 'p50', colour: 'used' }
const P99: Line = { label: 'p99', colour: 'warning' }

/** The last two minutes of one pool: connections, waits and statements. */
export function Charts({ view }: { view: View }): VNode {
  const [chosen, choose] = useState<string | undefined>(undefined)
  const pools = view.state?.pools ?? []
  const key = pools.find((pool) => pool.key === chosen)?.key ?? pools[0]?.key
  if (key === undefined) return html`` as VNode
  const columns = (...indexes: number[]): (number | null)[][] =>
    indexes.map((index) => view.samples.map(({ pools: of }) => of[key]?.[index] ?? null))
  const shared = { view, pool: key }
  return html`
    <section aria-labelledby="charts">
      <div class="headline">
        <h2 id="charts">The last two minutes</h2>
        ${
          pools.length < 2
            ? ''
            : html`
                <label class="choice">
                  of
                  <select onChange=${(event: Event) => choose((event.target as HTMLSelectElement).value)}>
                    ${pools.map((pool) => html`<option value=${pool.key} selected=${pool.key === key}>${titleOf(pool)}</option>`)}
                  </select>
                </label>
              `
        }
      </div>
      <div class="charts">
        <${Chart} ...${shared} title="Connections" lines=${[IDLE, USED, WAITING]} values=${columns(1, 0, 2)} show=${count} />
        <${Chart} ...${shared} title="Wait for a connection" lines=${[P50, P99]} values=${columns(3, 4)} show=${duration} />
        <${Chart} ...${shared} title="Statements, call to answer" lines=${[P50, P99]} values=${columns(5, 6)} show=${duration} />
      </div>
    </section>
  ` as VNode
}
