export { type DescribeDriverOptions, describeDriver, runDriverCase } from './describe-driver.js'
export { describePool, type PoolSuiteOptions, runPoolCase } from './describe-pool.js'
export { driverCases } from './driver/driver-cases.js'
export type {
  DriverArea,
  DriverCase,
  DriverContext,
  DriverContextParts,
} from './driver/driver-context.js'
export { poolCases } from './pool/pool-cases.js'
export type {
  PoolArea,
  PoolCase,
  PoolContext,
  PoolContextParts,
} from './pool/pool-context.js'
export type {
  MakePool,
  PartOfMany,
  PoolFeature,
  PoolParts,
  PoolReads,
} from './pool/pool-traits.js'
export type { SuiteOptions } from './register.js'
export type { ConformanceArea, ConformanceCase, Selection } from './run/conformance-case.js'
export type { CaseContext } from './run/run-case.js'
export type { Address, ServerContext, ServerContextParts } from './server/server-context.js'
export {
  type ReplicaUnderTest,
  type ServerUnderTest,
  startServerUnderTest,
} from './server/server-under-test.js'
export type { Heard, Login, RecordedContext, TestSession } from './session/test-session.js'
