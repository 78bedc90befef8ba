import { html } from 'htm/preact'
import type { VNode } from 'preact'
import type { MarkView, PoolView } from '../dashboard-state.js'
import { timeOfDay } from './format.js'
import { SHOWN_MS, type View } from './live-view.js'
import { lookOf } from './node-state.js'

/** A time in which a lane looks the same. */
interface Span {
  readonly from: number
  readonly to: number
  readonly state: string | undefined
}

/** What each node was in the last two minutes, as a lane of colours, and when calls were held. */
export function Lanes({ pool, view }: { pool: PoolView; view: View }): VNode {
  const marks = view.marks.filter((mark) => mark.pool === pool.key)
  if (marks.length === 0) return html`` as VNode
  const end = view.state?.at ?? 0
  const lanes = pool.nodes.map(({ id }) => ({
    id,
    spans: spansOf(marks, end, (mark) => mark.states[id]),
  }))
  const holds = spansOf(marks, end, ({ isHolding }) => (isHolding ? 'held' : undefined))
  const time = (at: number): string => timeOfDay(at + view.toWall).slice(0, 8)
  return html`
    <div class="lanes">
      ${lanes.map(
        ({ id, spans }) => html`
          <span class="lane-name">${id}</span>
          <svg class="lane" role="img" aria-label=${`${id}: ${told(spans, time)}`}>
            ${spans.map((span) => rect(span, end, lookOf(span.state).tone))}
          </svg>
        `,
      )}
      <span class="lane-name">held</span>
      <svg class="lane held" role="img" aria-label=${`calls held: ${told(holds, time)}`}>
        ${holds.map((span) => rect(span, end, 'held'))}
      </svg>
      <span></span>
      <p class="ends" aria-hidden="true">
        <span>${time(end - SHOWN_MS)}</span><span>${time(end - SHOWN_MS / 2)}</span><span>now</span>
      </p>
    </div>
  ` as VNode
}

function rect({ from, to }: Span, end: number, tone: string): VNode {
  const place = (at: number): number => ((at - end + SHOWN_MS) / SHOWN_MS) * 100
  // A hold of some milliseconds is still seen.
  const width = Math.max(place(to) - place(from), 0.35)
  return html`<rect class=${tone} x="${place(from)}%" width="${width}%" height="100%" />` as VNode
}

function spansOf(
  marks: readonly MarkView[],
  end: number,
  stateOf: (mark: MarkView) => string | undefined,
): Span[] {
  const begin = end - SHOWN_MS
  const spans: Span[] = []
  marks.forEach((mark, index) => {
    const state = stateOf(mark)
    const from = Math.max(mark.at, begin)
    const to = marks[index + 1]?.at ?? end
    const last = spans.at(-1)
    if (to <= begin || state === undefined) return
    if (last?.state === state && last.to === from) spans[spans.length - 1] = { ...last, to }
    else spans.push({ from, to, state })
  })
  return spans
}

function told(spans: readonly Span[], time: (at: number) => string): string {
  if (spans.length === 0) return 'none'
  return spans.map(({ from, state }) => `${state} from ${time(from)}`).join(', ')
}
