import { html } from 'htm/preact'
import type { VNode } from 'preact'
import type { RouteView } from '../dashboard-state.js'
import { count, percent, rate, titleOf } from './format.js'
import type { View } from './live-view.js'

/** Where a call went, and why, by the reasons of `stats().routing`. */
const DESTINATIONS: Readonly<Record<string, readonly ['primary' | 'replica' | 'other', string]>> = {
  write: ['primary', 'may write, or was not declared a read'],
  replica: ['replica', 'a read, and a replica is fresh enough'],
  primaryNoReplicas: ['primary', 'a read, and there are no replicas'],
  primaryNoneFits: ['primary', 'a read, but no replica is fresh enough'],
  primaryToken: ['primary', 'a read of a session that no replica has caught up with'],
  primarySerializable: ['primary', 'serializable, which replicas cannot be'],
  primaryStandby: ['primary', 'a read that standbys refuse'],
  standIn: ['other', 'a read that a former or read-only primary served'],
}

/** What else happened to calls. */
const TURNS: Readonly<Record<string, string>> = {
  moved: 'sent elsewhere before anything was sent',
  retried: 'read again elsewhere after a failure',
  tokenWaits: 'waited for a replica to catch up',
  staleWaits: 'waited for a replica to be fresh enough',
  refusedStale: 'refused: no server was fresh enough',
  hedged: 'asked a second replica because the first was slow',
  hedgesWon: 'of those, the second one was faster',
  racesWon: 'a race against a slow or silent server was won',
  tokensRefused: 'session tokens refused',
  classified: 'found to be reads by their text',
  reruns: 'run again on the primary after a replica refused',
}

/** Where the calls of each routing pool went, and why. */
export function Routes({ view }: { view: View }): VNode {
  const pools = (view.state?.pools ?? []).filter(({ routes }) => routes.length > 0)
  return html`
    <section aria-labelledby="routes">
      <h2 id="routes">Where calls go, and why</h2>
      ${pools.length === 0 ? html`<p class="empty">No pool routes reads to replicas.</p>` : ''}
      ${pools.map(
        (pool) => html`
          ${pools.length > 1 ? html`<h3>${titleOf(pool)}</h3>` : ''}
          <${Split} pool=${pool.name} routes=${pool.routes} />
        `,
      )}
    </section>
  ` as VNode
}

function Split({ pool, routes }: { pool: string; routes: readonly RouteView[] }): VNode {
  const used = routes.filter(({ count: times }) => times > 0)
  const destinations = used.filter(({ reason }) => DESTINATIONS[reason] !== undefined)
  const turns = used.filter(({ reason }) => DESTINATIONS[reason] === undefined)
  const all = destinations.reduce((sum, { count: times }) => sum + times, 0)
  return html`
    <ul class="routes" data-pool=${pool}>
      ${destinations.map(({ reason, count: times, perSecond }) => {
        const [target, why] = DESTINATIONS[reason]!
        return html`
          <li>
            <p class="route">
              <span class="target ${target}">${target === 'other' ? 'stand-in' : target}</span>
              <span class="why">${why}</span>
              <span class="number"><span data-route=${reason}>${count(times)}</span></span>
              <span class="number faint">${rate(perSecond)}/s</span>
            </p>
            <svg class="share" role="img" aria-label=${percent(times / all)}>
              <rect class="free" width="100%" height="100%" />
              <rect class=${target} width="${(times / all) * 100}%" height="100%" />
            </svg>
          </li>
        `
      })}
    </ul>
    ${
      turns.length === 0
        ? ''
        : html`
            <ul class="turns">
              ${turns.map(
                ({ reason, count: times }) => html`
                  <li><span class="number">${count(times)}</span> ${TURNS[reason] ?? reason}</li>
                `,
              )}
            </ul>
          `
    }
  ` as VNode
}
