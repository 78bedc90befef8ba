import { describe } from 'vitest'
import { scenario } from '../support/scenario.js'
import { judgeOutage, OUTAGES } from './outages.js'

describe('6 writers and 6 readers through an outage', () => {
  for (const outage of OUTAGES) {
    scenario(outage.title, async (driver) => {
      await judgeOutage(outage, driver)
    })
  }
})
