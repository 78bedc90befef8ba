import { describePools } from '../support/describe-pools.js'
import { MANAGED_POOLS } from '../support/pool-kinds.js'

describePools(MANAGED_POOLS)
