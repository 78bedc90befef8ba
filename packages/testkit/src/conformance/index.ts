export type { ConformanceArea, ConformanceCase, Selection } from './conformance-case.js'
export { type DescribeDriverOptions, describeDriver, runDriverCase } from './describe-driver.js'
export { describePool, type PoolSuiteOptions, runPoolCase } from './describe-pool.js'
export { driverCases } from './driver-cases.js'
export type { DriverArea, DriverCase, DriverContext, DriverContextParts } from './driver-context.js'
export { poolCases } from './pool-cases.js'
export type {
  PoolArea,
  PoolCase,
  PoolContext,
  PoolContextParts,
} from './pool-context.js'
export type {
  MakePool,
  PartOfMany,
  PoolFeature,
  PoolParts,
  PoolReads,
} from './pool-traits.js'
export type { SuiteOptions } from './register.js'
export type { CaseContext } from './run-case.js'
export type { Address, ServerContext, ServerContextParts } from './server-context.js'
export {
  type ReplicaUnderTest,
  type ServerUnderTest,
  startServerUnderTest,
} from './server-under-test.js'
export type { Heard, Login, RecordedContext, TestSession } from './test-session.js'
