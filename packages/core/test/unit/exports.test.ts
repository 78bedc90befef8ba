import { expect, test } from 'vitest'
import * as core from '../../src/index.js'
import * as testing from '../../src/testing/index.js'

test('the package exports exactly these values', () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
    [
      "AbortError",
      "AcquireTimeoutError",
      "AuthenticationError",
      "ChannelListener",
      "ConnectError",
      "ConnectionLostError",
      "ConnectionSettings",
      "DatabaseError",
      "EventHub",
      "EventRelay",
      "FencedError",
      "InDoubtError",
      "KeyedWork",
      "LagRing",
      "LeaseBusyError",
      "LeaseReleasedError",
      "NoPrimaryError",
      "NoSuitableNodeError",
      "PoolClosedError",
      "PoolDeadlockError",
      "PoolOverloadedError",
      "PoolhouseError",
      "ReadIntentError",
      "SessionStateError",
      "StatementTimeoutError",
      "TokenBeyondHistoryError",
      "TransactionError",
      "checkBoolean",
      "checkCopyFromArguments",
      "checkCopyToArguments",
      "checkListenArguments",
      "checkNumber",
      "checkTransactionOptions",
      "checkWord",
      "cleanMarkers",
      "createMarkerTable",
      "createPool",
      "describeValue",
      "formatEndpoint",
      "isLocal",
      "isPoolhouseError",
      "leasedCopyFrom",
      "leasedCopyTo",
      "leasedRows",
      "markerTable",
      "nearestName",
      "parseConnectionUrl",
      "readQueryArguments",
      "readStreamArguments",
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
