import { describePools } from '../support/describe-pools.js'
import { TENANT_DATABASES } from '../support/pool-kinds.js'

describePools(TENANT_DATABASES)
