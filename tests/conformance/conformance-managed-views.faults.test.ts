import { describePools } from '../support/describe-pools.js'
import { MANAGED_VIEWS } from '../support/pool-kinds.js'

describePools(MANAGED_VIEWS)
