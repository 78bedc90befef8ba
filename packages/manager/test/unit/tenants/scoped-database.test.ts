import { createPool, InDoubtError } from '@poolhouse/core'
import { EventHub } from '@poolhouse/core/kit'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { expect, test, vi } from 'vitest'
import { ScopedDatabase, settingsStatement } from '../../../src/tenants/scoped-database.js'
import { TenantGate } from '../../../src/tenants/tenant-gate.js'

function setUp() {
  const clock = virtualClock()
  const driver = fakeDriver({ clock })
  const whole = createPool({
    driver,
    connection: { host: 'localhost', user: 'u', database: 'app' },
    name: 'app',
    max: 1,
    clock,
  })
  const gate = new TenantGate('acme', clock, { max: 2, maxPending: 2, timeoutMs: 1_000 })
  const settings = settingsStatement({ 'app.tenant': 'acme' })
  const scoped = new ScopedDatabase(
    'acme',
    whole as never,
    whole,
    settings,
    gate,
    new EventHub() as never,
  )
  const sent = (): string[] => [...driver.open].flatMap(({ statements }) => statements)
  return { clock, driver, whole, scoped, sent }
}

test('a statement runs in a transaction of its own, which is read-only if it is declared a read', async () => {
  for (const [text, options, begin] of [
    ['select 1', {}, 'BEGIN'],
    ['select 1', { intent: 'read' }, 'BEGIN READ ONLY'],
    ['select 1', { intent: 'write' }, 'BEGIN READ WRITE'],
  ] as const) {
    const { clock, scoped, sent } = setUp()
    const call = scoped.query(text, [], options)
    await clock.advance(10)
    await call
    expect(sent()[0]).toBe(begin)
    expect(sent().indexOf('COMMIT')).toBeGreaterThan(sent().indexOf(text))
    expect(sent()).toContain(text)
  }
})

test('what row-level security has no form for is refused', async () => {
  const { scoped } = setUp()
  const refused = { name: 'SessionStateError' }
  await expect(scoped.acquire()).rejects.toMatchObject(refused)
  await expect(scoped.stream('select 1').next()).rejects.toMatchObject(refused)
  await expect(scoped.listen('news', () => {})).rejects.toThrow('cannot listen')
})

test('is ready when the whole database is', async () => {
  const { clock, scoped } = setUp()
  const ready = scoped.ready()
  await clock.advance(10)
  expect(await ready).toBeUndefined()
})

test('its listeners hear of its own doubts, and of servers, and of no connection that others share', async () => {
  const { scoped, whole } = setUp()
  const [doubts, others] = [vi.fn(), vi.fn()]
  const [on, off] = [vi.spyOn(whole, 'on'), vi.spyOn(whole, 'off')]
  scoped.on('in-doubt', doubts)
  scoped.on('connect', others)
  scoped.on('acquire', others)
  expect(on).not.toHaveBeenCalled()
  const error = new InDoubtError('no answer')
  const lost = (): Promise<unknown> =>
    scoped.transaction(async () => {
      throw error
    })
  await expect(lost()).rejects.toBe(error)
  await vi.waitFor(() => expect(doubts).toHaveBeenCalledTimes(1))
  expect(doubts).toHaveBeenCalledWith({ pool: 'acme', node: 'app', error })
  const other = new Error('of the work')
  await expect(
    scoped.transaction(async () => {
      throw other
    }),
  ).rejects.toBe(other)
  scoped.off('in-doubt', doubts)
  await expect(lost()).rejects.toBe(error)
  expect(doubts).toHaveBeenCalledTimes(1)
  scoped.on('topology' as never, others as never)
  expect(on).toHaveBeenCalledTimes(1)
  scoped.off('topology' as never, others as never)
  expect(off).toHaveBeenCalledTimes(1)
  scoped.off('connect', others)
  expect(off).toHaveBeenCalledTimes(1)
  expect(others).not.toHaveBeenCalled()
})
