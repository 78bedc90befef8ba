export { FakeConnection, type FakeReply } from './fake-connection.js'
export { type FakeDriver, type FakeDriverOptions, fakeDriver } from './fake-driver.js'
export { type VirtualClock, virtualClock } from './virtual-clock.js'
