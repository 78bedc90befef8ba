import { describePools } from '../support/describe-pools.js'
import { COMPOSED_POOLS } from '../support/pool-kinds.js'

describePools(COMPOSED_POOLS)
