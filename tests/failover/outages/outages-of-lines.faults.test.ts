import { describe } from 'vitest'
import { scenario } from '../../support/scenario.js'
import { judgeOutage, OUTAGES } from '../support/outages.js'

describe('6 writers and 6 readers through an outage of the network', () => {
  for (const outage of OUTAGES.filter(({ options }) => options?.proxied === true)) {
    scenario(outage.title, async (driver) => {
      await judgeOutage(outage, driver)
    })
  }
})
