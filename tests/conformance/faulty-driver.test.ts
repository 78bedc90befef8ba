import { nodePostgres } from '@poolhouse/node-postgres'
import {
  type DriverCase,
  driverCases,
  runDriverCase,
  type ServerUnderTest,
  startServerUnderTest,
} from '@poolhouse/testkit/conformance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from './fault.js'
import { faultyDriver } from './faulty-driver.js'

/**
 * Each fault, the beginning of the title of the case that is there for it, and what that case says.
 */
const CAUGHT: readonly [fault: Exclude<Fault, 'nothing'>, title: string, says: RegExp][] = [
  [
    'settles twice',
    'done is called exactly once',
    /called done 2 times|not as expected|deep-equal/,
  ],
  ['settles inside run', 'destroy fails what was not sent', /before run had returned/],
  ['settles with a stale status', 'X02: done finds the transaction status', /'active'|'idle'/],
  [
    'knows the status before the server has told',
    'the status is unknown and the statement',
    /idle/,
  ],
  [
    'loses what was in flight',
    'F09: a session that is ended in mid-statement',
    /never settled|took longer/,
  ],
  [
    'says that what is unknown was not executed',
    'F40: a COMMIT whose answer is lost',
    /executed is 'no'/,
  ],
  ['succeeds when it was lost', 'F40: a COMMIT whose answer is lost', /was to reject/],
  [
    `hands on the driver's own errors`,
    'S12: an error of the server is',
    /DatabaseError|PoolhouseError/,
  ],
  ['forgets the fields of errors', 'S12: an error of the server is', /position is undefined/],
  ['cancels a stranger', 'F54: cancel ends the statement that runs', /canceling statement/],
  ['cancels without waiting', 'X15: cancel settles only when', /cancel settled after/],
  ['forgets to reset', 'X01: a reset of the session undoes a setting', /work_mem/],
  ['resets only the settings', 'X01: a reset of the session undoes a role', /role/],
  ['resets by DISCARD ALL', 'X01: prepared statements survive a reset', /2/],
  ['swallows undefined', 'undefined among the values is refused', /was to reject/],
  ['sends an INSERT twice', 'a statement is executed exactly once', /deep-equal/],
  ['ignores rowMode', 'rows are arrays in column order', /deep-equal/],
  ['describes columns wrongly', 'a result has rows, count, command', /tableID/],
  ['miscounts rows', 'a result has rows, count, command', /rowCount/],
  ['reads no types', 'values of every type', /^true/],
  ['ignores parsers', 'parsers of the context are used', /5n/],
  [
    'reconnects silently',
    'F09: a session that an administrator ends while it is idle',
    /the end of the session/,
  ],
  ['leaves the socket open', 'F21: opening and closing many sessions', /sockets/],
  [
    'leaves the socket of an aborted connect open',
    'F55: a connect is given up when its signal fires',
    /socket/,
  ],
  [
    'ignores the deadline of connect',
    'F15: a server that accepts and never answers',
    /120 ms|it took/,
  ],
  ['ignores the deadline of close', 'F57: close breaks a session', /it took/],
  ['tells of the end twice', 'destroy is done when it returns', /was told 2 times/],
  [
    'never tells of the end',
    'F09: a session that an administrator ends while it is idle',
    /end of/,
  ],
  ['tells nothing of notices', 'notices reach the listener', /deep-equal/],
  ['rejects a promise without a holder', 'F13: a FIN without a word', /unhandledRejection/],
  ['throws where nothing catches', 'F13: a FIN without a word', /uncaughtException/],
  ['keeps the process alive', 'F60: a session keeps the process alive', /let go/],
  ['fetches a whole cursor at once', 'F46: the server sends no more rows', /bytes came/],
  ['reads a whole COPY at once', 'F46: while no data is read', /bytes came/],
  ['finishes a COPY that failed', 'fail undoes the COPY', /active/],
  ['accepts every log-in', 'X08: a method that is required is accepted', /was to reject/],
  [
    'prepares without bound',
    'statements prepared by themselves are bounded',
    /statements are prepared/,
  ],
  ['folds the names of channels', 'a session hears what others notify', /deep-equal/],
  ['loses a LISTEN', 'a session goes on hearing', /deep-equal/],
  ['shows the password', 'X06: the password is nowhere', /the password can be seen/],
]

/** The one case whose title begins so. */
function caseOf(beginning: string): DriverCase {
  const found = driverCases()
    .flatMap(({ cases }) => cases)
    .filter(({ title }) => title.startsWith(beginning))
  expect(found.map(({ title }) => title)).toHaveLength(1)
  return found[0]!
}

let server: ServerUnderTest

beforeAll(async () => {
  server = await startServerUnderTest()
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

/** Runs one case on a driver with a fault; what is wrong, or undefined. */
async function verdictOn(fault: Fault, test: DriverCase): Promise<Error | undefined> {
  const { driver, cleanUp } = faultyDriver(nodePostgres(), fault)
  try {
    // Time is for what settles late; of what never does, a bad driver shows enough in a quarter of
    // it.
    const patience = fault === 'nothing' ? 1 : 0.25
    const impatient = { ...test, timeoutMs: 6_000 }
    await runDriverCase(impatient, { driver, server, seed: 1, latencyMs: 0, effort: 0.3, patience })
    return undefined
  } catch (error) {
    return error as Error
  } finally {
    cleanUp()
  }
}

describe('the suite for drivers', () => {
  it.each(CAUGHT)('catches a driver that %s', async (fault, title, says) => {
    const error = await verdictOn(fault, caseOf(title))
    expect(error).toBeDefined()
    expect(error?.message).toMatch(says)
  })

  it.each([...new Set(CAUGHT.map(([, title]) => title))])(
    'finds nothing wrong with a wrapper that does nothing wrong: %s',
    async (title) => {
      expect(await verdictOn('nothing', caseOf(title))).toBeUndefined()
    },
  )
})
