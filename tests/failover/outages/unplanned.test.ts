import { describe, it } from 'vitest'
import { DRIVERS } from '../../support/drivers.js'
import { judgeOutage, OUTAGES } from '../support/outages.js'

// The two that matter most, over each driver at every push; all of them are in outages-of-servers,
// outages-of-lines and in the soak.
const [KILL, FREEZE] = OUTAGES

describe.each(DRIVERS)('6 writers and 6 readers through an outage over $driver', (driver) => {
  it.each([KILL!, FREEZE!])('$title', async (outage) => {
    await judgeOutage(outage, driver)
  })
})
