export {
  FakeConnection,
  type FakeFailure,
  type FakeHang,
  type FakeLoss,
  type FakePieces,
  type FakeReply,
  type FakeRows,
  type FakeTaking,
} from './fake-connection.js'
export {
  type FakeDriver,
  type FakeDriverOptions,
  type FakeParameter,
  fakeDriver,
} from './fake-driver.js'
export { SeededRandom } from './seeded-random.js'
export { type VirtualClock, virtualClock } from './virtual-clock.js'
