import { describePools } from '../support/describe-pools.js'
import { TENANT_ROWS } from '../support/pool-kinds.js'

describePools(TENANT_ROWS)
