import { expect, test } from 'vitest'
import { createPool } from '../../src/index.js'
import { fakeDriver, virtualClock } from '../../src/testing/index.js'

test('runs, waits, transacts and closes', async () => {
  const clock = virtualClock()
  const driver = fakeDriver({ clock, connectMs: 5, statementMs: 2 })
  const pool = createPool({ driver, connection: 'postgres://u@localhost/d', max: 2, clock })
  const results = Promise.all(Array.from({ length: 10 }, (_, i) => pool.query(`select ${i}`)))
  await clock.advance(100)
  expect((await results).length).toBe(10)
  expect(driver.mostOpen).toBe(2)
  const tx = pool.transaction(async (t) => {
    await t.query('insert x')
    await t.savepoint(async (s) => {
      await s.query('insert y')
    })
    return 7
  })
  await clock.advance(100)
  expect(await tx).toBe(7)
  const lease = pool.acquire()
  await clock.advance(1)
  const l = await lease
  const q = l.query('set a = b')
  await clock.advance(10)
  await q
  l.release()
  await expect(l.query('select 1')).rejects.toMatchObject({ name: 'LeaseReleasedError' })
  await clock.advance(10)
  console.log(pool.stats())
  const closed = pool.close()
  await clock.advance(10)
  await closed
  expect(driver.open.size).toBe(0)
  expect(driver.violations).toEqual([])
  expect(clock.pendingTimers).toBe(0)
})
