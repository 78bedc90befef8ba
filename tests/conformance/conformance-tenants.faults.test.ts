import { describePools } from '../support/describe-pools.js'
import { TENANT_POOLS } from '../support/pool-kinds.js'

describePools(TENANT_POOLS)
