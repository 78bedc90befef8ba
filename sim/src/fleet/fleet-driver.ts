import type { Driver } from '@poolhouse/core'
import type { ConnectContext } from '@poolhouse/core/kit'
import { type FakeConnection, fakeDriver, type VirtualClock } from '@poolhouse/core/testing'
import type { FleetServer } from './fleet-server.js'

/** The driver of one process: its sessions lead to the servers of the fleet. */
export function fleetDriver(
  clock: VirtualClock,
  servers: ReadonlyMap<string, FleetServer>,
): Driver {
  const leadsTo = new WeakMap<FakeConnection, FleetServer>()
  // What the fake asks for right after it has asked for the reply.
  let statementMs = 0
  const fake = fakeDriver({
    clock,
    statementMs: () => statementMs,
    server: (connection) => leadsTo.get(connection)!.identity(),
    onStatement: (statement, connection) => {
      const { reply, ms } = leadsTo.get(connection)!.answer(statement)
      statementMs = ms
      return reply
    },
  })
  const connect = async (context: ConnectContext): Promise<FakeConnection> => {
    const { endpoint, applicationName } = context.settings
    const server = servers.get(endpoint.host)!
    await server.logIn(context.signal)
    let connection: FakeConnection | undefined
    const { listener } = context
    connection = (await fake.connect({
      ...context,
      listener: {
        notification: (channel, payload) => listener.notification(channel, payload),
        notice: (notice) => listener.notice(notice),
        parameter: (name, value) => listener.parameter(name, value),
        closed: (reason) => {
          if (connection !== undefined) server.closed(connection)
          listener.closed(reason)
        },
      },
    })) as FakeConnection
    leadsTo.set(connection, server)
    server.opened(connection, applicationName)
    return connection
  }
  return { name: fake.name, capabilities: fake.capabilities, connect } as Driver
}
