import { describePools } from '../support/describe-pools.js'
import { MANAGED_DATABASES } from '../support/pool-kinds.js'

describePools(MANAGED_DATABASES)
