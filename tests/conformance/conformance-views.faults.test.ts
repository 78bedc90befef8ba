import { describePools } from '../support/describe-pools.js'
import { VIEWS } from '../support/pool-kinds.js'

describePools(VIEWS)
