import { describePools } from '../support/describe-pools.js'
import { MANAGED_FOLLOWERS } from '../support/pool-kinds.js'

describePools(MANAGED_FOLLOWERS)
