import { html } from 'htm/preact'
import type { VNode } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { SHOWN_MS, type View } from './live-view.js'

/** One line of a chart. */
export interface Line {
  /** What it shows. */
  readonly label: string
  /** Name of the colour, a variable of the style sheet. */
  readonly colour: string
  /** Whether the room below is filled. */
  readonly isFilled?: boolean
  /** Whether it is drawn on top of the line that follows it in the list. */
  readonly isOnTop?: boolean
}

/** What a chart is made of. */
export interface ChartProps {
  /** What it is about. */
  readonly title: string
  /** Key of the pool whose holds are shaded. */
  readonly pool: string
  /** The times. */
  readonly view: View
  /** Its lines. */
  readonly lines: readonly Line[]
  /** A row of values for each line. */
  readonly values: readonly (readonly (number | null)[])[]
  /** Writes a value. */
  readonly show: (value: number) => string
}

const HEIGHT = 150
const LEAST_SHOWN_MS = 30_000
const DARK = matchMedia('(prefers-color-scheme: dark)')

/** Lines over time, with their newest values, or those under the pointer, as text. */
export function Chart({ title, pool, view, lines, values, show }: ChartProps): VNode {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  // The hooks of the plot outlive a rendering, and ask for the view of the newest one.
  const holds = useRef<readonly (readonly [number, number])[]>([])
  const [pointed, point] = useState<number | undefined>(undefined)
  const [isDark, turn] = useState(DARK.matches)
  holds.current = holdsOf(pool, view)

  useEffect(() => {
    const change = (): void => turn(DARK.matches)
    DARK.addEventListener('change', change)
    return () => DARK.removeEventListener('change', change)
  }, [])

  useEffect(() => {
    const made = makePlot(place.current!, lines, show, () => holds.current, point)
    plot.current = made
    const observer = new ResizeObserver(() => {
      made.setSize({ width: place.current?.clientWidth ?? 0, height: HEIGHT })
    })
    observer.observe(place.current!)
    return () => {
      observer.disconnect()
      made.destroy()
    }
    // The colours are read once.
  }, [isDark])

  useEffect(() => {
    const times = view.samples.map(({ at }) => (at + view.toWall) / 1_000)
    const end = ((view.state?.at ?? 0) + view.toWall) / 1_000
    plot.current?.setData([times, ...stacked(lines, values)] as uPlot.AlignedData, false)
    // A page that was just opened shows the little that it knows over the whole width.
    const begin = Math.min(times[0] ?? end, end - LEAST_SHOWN_MS / 1_000)
    plot.current?.setScale('x', { min: Math.max(begin, end - SHOWN_MS / 1_000), max: end })
  }, [view, isDark, pool])

  const at = pointed ?? view.samples.length - 1
  const shown = lines.map(({ label }, index) => {
    const value = values[index]?.[at]
    return { label, text: value === null || value === undefined ? '–' : show(value) }
  })
  return html`
    <figure class="chart">
      <figcaption>
        <span class="title">${title}</span>
        ${shown.map(
          ({ label, text }, index) => html`
            <span class="key"><i class=${lines[index]!.colour} aria-hidden="true"></i>${label} <b>${text}</b></span>
          `,
        )}
      </figcaption>
      <div class="plot" role="img" aria-label=${`${title}: ${shown.map(({ label, text }) => `${label} ${text}`).join(', ')}`} ref=${place}></div>
    </figure>
  ` as VNode
}

function makePlot(
  place: HTMLElement,
  lines: readonly Line[],
  show: (value: number) => string,
  holds: () => readonly (readonly [number, number])[],
  point: (index: number | undefined) => void,
): uPlot {
  const style = getComputedStyle(place)
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  const axis = {
    stroke: colour('faint'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  }
  return new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
      scales: {
        y: { range: (_plot, _min, max) => [0, Math.max(max * 1.15, 1)] },
      },
      axes: [
        {
          ...axis,
          size: 24,
          space: 70,
          values: (_plot, ticks) =>
            ticks.map((tick) => new Date(tick * 1_000).toTimeString().slice(0, 8)),
        },
        { ...axis, size: 56, space: 32, values: (_plot, ticks) => ticks.map(show) },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.label,
          stroke: colour(line.colour),
          width: 1.5,
          points: { show: false },
          ...(line.isFilled === true ? { fill: `${colour(line.colour)}55` } : {}),
        })),
      ],
      hooks: {
        // Below the lines: when calls were held.
        drawClear: [
          (plot) => {
            const { ctx, bbox } = plot
            ctx.save()
            ctx.fillStyle = `${colour('warning')}33`
            for (const [from, to] of holds()) {
              const left = Math.max(plot.valToPos(from, 'x', true), bbox.left)
              const right = Math.min(plot.valToPos(to, 'x', true), bbox.left + bbox.width)
              if (right > left) ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height)
            }
            ctx.restore()
          },
        ],
        setCursor: [
          ({ cursor }) =>
            point(
              cursor.left === undefined || cursor.left < 0 ? undefined : (cursor.idx ?? undefined),
            ),
        ],
      },
    },
    [[], ...lines.map(() => [])],
    place,
  )
}

/** A line on top of another one is drawn as the sum of both. */
function stacked(lines: readonly Line[], values: ChartProps['values']): (number | null)[][] {
  return values.map((row, index) =>
    lines[index]?.isOnTop === true
      ? row.map((value, at) => (value === null ? null : value + (values[index + 1]?.[at] ?? 0)))
      : [...row],
  )
}

function holdsOf(pool: string, { marks, state, toWall }: View): (readonly [number, number])[] {
  const own = marks.filter((mark) => mark.pool === pool)
  return own.flatMap((mark, index) => {
    if (!mark.isHolding) return []
    const to = own[index + 1]?.at ?? state?.at ?? mark.at
    return [[(mark.at + toWall) / 1_000, (to + toWall) / 1_000] as const]
  })
}
