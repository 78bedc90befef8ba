import { describePools } from '../support/describe-pools.js'
import { TENANT_SCHEMAS } from '../support/pool-kinds.js'

describePools(TENANT_SCHEMAS)
