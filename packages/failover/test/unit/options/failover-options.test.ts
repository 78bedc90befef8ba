import { createPool } from '@poolhouse/core'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { describe, expect, it } from 'vitest'
import type { FailoverOptions } from '../../../src/index.js'
import { readFailoverOptions } from '../../../src/options/failover-options.js'

const clock = virtualClock()
const pool = (name: string, host = name) =>
  createPool({
    driver: fakeDriver({ clock }),
    clock,
    name,
    connection: { host, user: 'app', database: 'app', ssl: false },
  })
const nodes = [pool('a'), pool('b')]

describe('options of withFailover', () => {
  it('have defaults', () => {
    expect(readFailoverOptions(nodes, {})).toMatchObject({
      name: 'failover(a, b)',
      intervalMs: 1_000,
      probeTimeoutMs: 400,
      deadAfter: 2,
      watchdog: { silenceMs: 2_000, everyMs: 500 },
      hold: { timeoutMs: 10_000, maxCalls: 1_000 },
      fence: 'timeline',
    })
  })

  it('turn watchdog and hold off', () => {
    const config = readFailoverOptions(nodes, { watchdog: false, hold: false })
    expect(config).toMatchObject({ watchdog: undefined, hold: undefined, deadAfter: 2 })
  })

  it.each<[unknown, unknown, RegExp]>([
    [{ probes: {} }, TypeError, /unknown option "probes"; did you mean "probe"/],
    [{ probe: { intervalMs: 0 } }, RangeError, /probe\.intervalMs .* got 0/],
    [{ probe: { timeoutMs: '4' } }, TypeError, /probe\.timeoutMs must be a number, got "4"/],
    [{ probe: { timeout: 4 } }, TypeError, /probe: unknown option "timeout"/],
    [{ probe: 5 }, TypeError, /probe must be an object, got 5/],
    [{ watchdog: true }, TypeError, /watchdog must be an object or false, got true/],
    [{ watchdog: { probes: 1.5 } }, RangeError, /watchdog\.probes .* whole number/],
    [{ hold: null }, TypeError, /hold must be an object or false, got null/],
    [{ hold: { maxCalls: -1 } }, RangeError, /hold\.maxCalls/],
    [{ fence: 'epoch' }, TypeError, /fence must be one of "timeline", "off", got "epoch"/],
    [{ minimumTimeline: 0 }, RangeError, /minimumTimeline/],
    [{ minimumTimeline: 2, fence: 'off' }, TypeError, /needs fence: "timeline"/],
    [{ name: '' }, TypeError, /name must be a non-empty string/],
    [{ random: 1 }, TypeError, /random must be a function/],
    [{ clock: {} }, TypeError, /clock must be a clock/],
    [null, TypeError, /options must be an object, got null/],
  ])('refuse %j', (options, type, message) => {
    const read = () => readFailoverOptions(nodes, options as FailoverOptions)
    expect(read).toThrow(type as ErrorConstructor)
    expect(read).toThrow(message)
  })

  it.each<[string, unknown, RegExp]>([
    ['no array', pool('a'), /nodes must be an array/],
    ['an empty list', [], /nodes must not be empty/],
    ['something else', [pool('a'), {}], /nodes\[1\] must be a pool made by createPool/],
    ['one name twice', [pool('a'), pool('a', 'other')], /two nodes are named "a"/],
    ['one server twice', [pool('a', 'db'), pool('b', 'db')], /"a" and "b" are both db:5432\/app/],
  ])('refuse %s as nodes', (_title, given, message) => {
    expect(() => readFailoverOptions(given as typeof nodes, {})).toThrow(message)
  })
})
