import { html } from 'htm/preact'
import type { VNode } from 'preact'
import type { Connections } from '../dashboard-state.js'

/** Used, opening and idle connections as parts of the most that are allowed. */
export function ConnectionBar({ of }: { of: Connections }): VNode {
  const { used, idle, connecting, waiting, max } = of
  const whole = Math.max(max, used + idle + connecting, 1)
  const part = (value: number): string => `${(value / whole) * 100}%`
  const label = `${used} used, ${idle} idle, ${waiting} waiting, of ${max}`
  return html`
    <svg class="bar ${waiting > 0 ? 'crowded' : ''}" role="img" aria-label=${label}>
      <rect class="free" width="100%" height="100%" />
      <rect class="idle" x=${part(used + connecting)} width=${part(idle)} height="100%" />
      <rect class="opening" x=${part(used)} width=${part(connecting)} height="100%" />
      <rect class="used" width=${part(used)} height="100%" />
    </svg>
  ` as VNode
}
