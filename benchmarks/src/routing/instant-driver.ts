import type { Driver, QueryResult } from '@poolhouse/core'
import type { DriverConnection } from '@poolhouse/core/kit'

const unused = (): never => {
  throw new Error('not measured')
}

/**
 * A driver whose servers answer in a microtask: what is left to measure is ours. `inRecovery` makes
 * them replicas that have everything.
 */
export function instantDriver(inRecovery: boolean): Driver {
  const sample = {
    in_recovery: inRecovery,
    lsn: '0/1000',
    replay_paused: false,
    system_id: '7000000000000000001',
    timeline: 1,
    received_timeline: inRecovery ? 1 : null,
    receiving: inRecovery,
  }
  const answerTo = (text: string): QueryResult<unknown> => ({
    rows: text.includes('pg_is_in_recovery') ? [sample] : [],
    rowCount: 1,
    command: 'SELECT',
    fields: [],
  })
  const connection = (): DriverConnection => ({
    raw: undefined,
    info: { address: undefined, port: undefined, backendPid: 1, parameters: new Map() },
    inFlight: 0,
    lastByteAt: 0,
    transactionStatus: () => 'idle',
    run: ({ text }, done) => queueMicrotask(() => done(null, answerTo(text))),
    openCursor: unused,
    copyIn: unused,
    copyOut: unused,
    listen: unused,
    ping: async () => {},
    reset: async () => {},
    cancel: async () => {},
    close: async () => {},
    destroy: () => {},
    ref: () => {},
    unref: () => {},
  })
  return {
    name: 'instant',
    capabilities: { pipeline: false, namedStatements: true },
    connect: async () => connection(),
  }
}
