import type { PoolOptions } from '@poolhouse/core'
import { LeftOut } from '../left-out.js'

/** What `createPool` is told about the shared lane; undefined for its default. */
export type Multiplex = PoolOptions['multiplex']

// How builds without a shared lane refuse the option.
const NO_LANE = /unknown option|there is no lane/

/**
 * Makes something with the option. In a build without a shared lane `auto` becomes the default,
 * which is what that build is compared with; anything else that it refuses is left out.
 */
export function withMultiplex<Made>(
  multiplex: Multiplex,
  make: (own: Pick<PoolOptions, 'multiplex'>) => Made,
): Made {
  if (multiplex === undefined) return make({})
  try {
    return make({ multiplex })
  } catch (error) {
    if (!(error instanceof TypeError) || !NO_LANE.test(error.message)) throw error
    if (multiplex === 'auto') return make({})
    throw new LeftOut(`this build has no such option (${error.message})`)
  }
}
