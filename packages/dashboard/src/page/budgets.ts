import { html } from 'htm/preact'
import type { VNode } from 'preact'
import type { BudgetView } from '../dashboard-state.js'
import { count, percent } from './format.js'
import type { View } from './live-view.js'

/** The budget of each server, and who has how much of it. Nothing where there is none. */
export function Budgets({ view }: { view: View }): VNode {
  const { budgets = [], tenantPools = 0, tenantEvictions = 0 } = view.state ?? {}
  if (budgets.length === 0) return html`` as VNode
  return html`
    <section aria-labelledby="budgets">
      <h2 id="budgets">Budget</h2>
      ${budgets.map((budget) => html`<${Budget} key=${budget.server} budget=${budget} />`)}
      ${
        tenantPools + tenantEvictions === 0
          ? ''
          : html`
              <p class="faint">
                ${count(tenantPools)} tenants have pools, ${count(tenantEvictions)} were evicted
              </p>
            `
      }
    </section>
  ` as VNode
}

function Budget({ budget }: { budget: BudgetView }): VNode {
  const { server, limit, used, beside, waiting, holders } = budget
  return html`
    <ul class="shares" data-server=${server}>
      <li class="whole">
        <p>
          <strong>${server}</strong>
          ${waiting === 0 ? '' : html`<span class="warning">${waiting} waiting</span>`}
          <span class="number">${count(used + beside)} of ${count(limit)}</span>
        </p>
        <${Share} of=${(used + beside) / limit} />
      </li>
      ${holders.map(
        ({ name, kind, held }) => html`
          <li key=${`${kind} ${name}`} data-holder=${name}>
            <p>
              <span>${name}</span>
              ${kind === 'tenant' ? html`<span class="faint">tenant</span>` : ''}
              <span class="number">${count(held)}, ${percent(held / limit)}</span>
            </p>
            <${Share} of=${held / limit} />
          </li>
        `,
      )}
    </ul>
  ` as VNode
}

function Share({ of }: { of: number }): VNode {
  return html`
    <svg class="share" role="img" aria-label=${percent(of)}>
      <rect class="free" width="100%" height="100%" />
      <rect class="used" width="${Math.min(of, 1) * 100}%" height="100%" />
    </svg>
  ` as VNode
}
