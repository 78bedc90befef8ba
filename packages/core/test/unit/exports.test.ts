import { expect, test } from 'vitest'
import * as core from '../../src/index.js'
import * as kit from '../../src/kit.js'
import * as sql from '../../src/sql/index.js'
import * as testing from '../../src/testing/index.js'

test('the package exports exactly these values', () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
    [
      "AbortError",
      "AcquireTimeoutError",
      "AuthenticationError",
      "ChannelListener",
      "ConfigError",
      "ConnectError",
      "ConnectionLostError",
      "ConnectionSettings",
      "DatabaseError",
      "EventHub",
      "EventRelay",
      "FROM_URL",
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
      "RESET_AROUND",
      "ReadIntentError",
      "SENT_BEHIND",
      "SessionStateError",
      "StatementTimeoutError",
      "StreamEnds",
      "TokenBeyondHistoryError",
      "TransactionError",
      "UnknownTenantError",
      "WrongTenantError",
      "checkBoolean",
      "checkCopyFromArguments",
      "checkCopyToArguments",
      "checkListenArguments",
      "checkNumber",
      "checkShownText",
      "checkTransactionOptions",
      "checkWord",
      "cleanMarkers",
      "connectionUrl",
      "connectionsOf",
      "createMarkerTable",
      "createPool",
      "describeName",
      "describeText",
      "describeValue",
      "endsSession",
      "formatEndpoint",
      "hasCondition",
      "isCondition",
      "isConflict",
      "isConnectionText",
      "isLocal",
      "isPoolhouseError",
      "isRepeatable",
      "isUndone",
      "leasedCopyFrom",
      "leasedCopyTo",
      "leasedRows",
      "looksSecret",
      "markerTable",
      "nearestName",
      "newsOf",
      "ownError",
      "parseConnectionUrl",
      "parseLibpqEnvironment",
      "readConnectionUrl",
      "readQueryArguments",
      "readStreamArguments",
      "refuseLoneStatement",
      "refuseUnknownOptions",
      "refusesWrites",
      "sentBehind",
      "sleep",
      "staticTopology",
      "sumStats",
      "systemClock",
      "tracing",
      "unwatchSignal",
      "watchSignal",
    ]
  `)
})

test('its testing entry exports exactly these values', () => {
  expect(Object.keys(testing).sort()).toMatchInlineSnapshot(`
    [
      "FakeConnection",
      "SeededRandom",
      "fakeDriver",
      "virtualClock",
    ]
  `)
})

test('its entry for SQL texts exports exactly these values', () => {
  expect(Object.keys(sql).sort()).toMatchInlineSnapshot(`
    [
      "SIGN",
      "SqlLexer",
      "SqlStatements",
      "TOKEN",
      "WordTable",
      "endOfComment",
      "endOfLine",
      "nameAt",
    ]
  `)
})

test('its entry for those who build pools exports exactly these values', () => {
  expect(Object.keys(kit).sort()).toMatchInlineSnapshot(`
    [
      "PoolDecorator",
      "isRaisedByFunction",
      "lacksRelationFile",
      "refusesAsStandby",
    ]
  `)
})
