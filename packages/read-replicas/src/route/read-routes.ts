import { ReadRoute, type ReadTerms, type RouteSetting } from './read-route.js'

// Calls with terms of their own get a route each; beyond this many different ones they are made
// anew.
const MOST_ROUTES = 32

/** The routes of a pool, one for each kind of terms that reads come with. */
export class ReadRoutes {
  /** The route of reads that say nothing about it. */
  readonly standard: ReadRoute
  readonly #setting: RouteSetting
  readonly #routes = new Map<string, ReadRoute>()

  /** Makes the standard route. */
  constructor(setting: RouteSetting, terms: ReadTerms) {
    this.#setting = setting
    this.standard = new ReadRoute(setting, terms)
  }

  /** The route of reads on these terms. */
  of(terms: ReadTerms): ReadRoute {
    const { maxStalenessMs, maxStalenessBytes, whenStale } = terms
    const key = [maxStalenessMs, maxStalenessBytes, whenStale.waitMs, whenStale.otherwise].join()
    let route = this.#routes.get(key)
    if (route === undefined) {
      if (this.#routes.size >= MOST_ROUTES) this.#routes.clear()
      route = new ReadRoute(this.#setting, terms)
      this.#routes.set(key, route)
    }
    return route
  }
}
