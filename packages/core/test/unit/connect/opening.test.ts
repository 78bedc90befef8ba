import { describe, expect, it } from 'vitest'
import type { ConnectionListener, DriverConnection } from '../../../src/api/driver.js'
import type { Connector } from '../../../src/connect/connector.js'
import { Opening } from '../../../src/connect/opening.js'
import { NOT_EXAMINED } from '../../../src/identity/pooler-watch.js'
import type { ConnectionSettings } from '../../../src/settings/connection-settings.js'
import { Slot } from '../../../src/slot/slot.js'

/** Opens a session that begins with these parameters; what its driver tells goes to `listener`. */
async function open(
  parameters: Map<string, string>,
): Promise<{ slot: Slot; listener: ConnectionListener }> {
  let listener: ConnectionListener | undefined
  const connector = {
    connect: async (given: ConnectionListener) => {
      listener = given
      return {
        connection: { info: { parameters } } as unknown as DriverConnection,
        examined: NOT_EXAMINED,
      }
    },
  } as unknown as Connector
  const slot = new Slot(1, 0)
  const settings = {} as ConnectionSettings
  await new Opening(connector).open(slot, { timeoutMs: 1_000, settings, owner: { ended() {} } })
  return { slot, listener: listener! }
}

describe('the parameters of a session that was opened', () => {
  it('have drifted while one differs from what the session began with', async () => {
    const parameters = new Map([['TimeZone', 'UTC']])
    const { slot, listener } = await open(parameters)
    // As a driver that keeps its map current does before it tells.
    parameters.set('TimeZone', 'Asia/Tokyo')
    listener.parameter('TimeZone', 'Asia/Tokyo')
    expect(slot.marks.drifted).toBe(true)
    parameters.set('TimeZone', 'UTC')
    listener.parameter('TimeZone', 'UTC')
    expect(slot.marks.drifted).toBe(false)
  })

  it('have not drifted when the server tells of itself', async () => {
    const { slot, listener } = await open(new Map([['in_hot_standby', 'on']]))
    listener.parameter('in_hot_standby', 'off')
    expect(slot.marks.drifted).toBe(false)
  })
})
