import { expect, test } from 'vitest'
import * as core from '../../src/index.js'
import * as testing from '../../src/testing/index.js'

test('the package exports exactly these values', () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
    [
      "AbortError",
      "AcquireTimeoutError",
      "AuthenticationError",
      "ConnectError",
      "ConnectionLostError",
      "ConnectionSettings",
      "DatabaseError",
      "EventHub",
      "EventRelay",
      "FencedError",
      "InDoubtError",
      "LagRing",
      "LeaseReleasedError",
      "NoPrimaryError",
      "NoSuitableNodeError",
      "PoolClosedError",
      "PoolDeadlockError",
      "PoolOverloadedError",
      "PoolhouseError",
      "ReadIntentError",
      "StatementTimeoutError",
      "TransactionError",
      "checkBoolean",
      "checkNumber",
      "checkWord",
      "createPool",
      "describeValue",
      "formatEndpoint",
      "isLocal",
      "isPoolhouseError",
      "nearestName",
      "parseConnectionUrl",
      "readQueryArguments",
      "refuseTransactionControl",
      "refuseUnknownOptions",
      "sleep",
      "staticTopology",
      "sumStats",
      "systemClock",
      "tracing",
    ]
  `)
})

test('its testing entry exports exactly these values', () => {
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "FakeConnection",
      "fakeDriver",
      "virtualClock",
    ]
  `)
})
