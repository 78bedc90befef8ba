export { FakeConnection, type FakeDriverOptions } from './fake-connection.js'
export { type FakeDriver, fakeDriver } from './fake-driver.js'
export type {
  FakeFailure,
  FakeHang,
  FakeLoss,
  FakeParameter,
  FakePieces,
  FakeReply,
  FakeRows,
  FakeTaking,
} from './replies.js'
export { SeededRandom } from './seeded-random.js'
export { type VirtualClock, virtualClock } from './virtual-clock.js'
