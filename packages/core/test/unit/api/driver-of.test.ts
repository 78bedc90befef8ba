import { describe, expect, test } from 'vitest'
import { ConfigError, createPool, type Driver, type Pool } from '../../../src/index.js'
import { type Driven, driverOf, type PoolCall, PoolView, settingsOf } from '../../../src/kit.js'
import { fakeDriver, virtualClock } from '../../../src/testing/index.js'

const driver = fakeDriver({ clock: virtualClock() })
const connection = { host: 'db', port: 7, user: 'me', password: 'secret' }
const poolOver = (used: Driver, name: string): Pool =>
  createPool({ driver: used, connection, name })
const one = poolOver(driver, 'one')
const made = (drivenBy: Driven['drivenBy']): Pool => ({ name: 'made', drivenBy }) as never

class View extends PoolView {
  protected send<R>(call: PoolCall<R>): Promise<R> {
    return call.run(this.whole)
  }
}

describe('the driver of a pool', () => {
  test('is found through views and pools of pools', () => {
    expect(driverOf(one)).toBe(driver)
    expect(driverOf(new View('view', new View('view', one)))).toBe(driver)
    expect(driverOf(made([made(undefined), one]))).toBe(driver)
  })

  test('is unknown where no pool tells', () => {
    expect(driverOf(made(undefined))).toBeUndefined()
    expect(driverOf(made([]))).toBeUndefined()
    expect(driverOf({ name: 'foreign' } as never)).toBeUndefined()
  })

  test('must be one', () => {
    const other = poolOver({ ...driver, name: 'other' }, 'two')
    const find = (): unknown => driverOf(made([one, other]))
    expect(find).toThrow(ConfigError)
    expect(find).toThrow('pool "made" is made of pools over the drivers "fake" and "other"')
  })
})

describe('the settings of a pool', () => {
  test('are found through views, and the password does not show in what is printed', () => {
    const view = new View('view', one)
    expect(settingsOf(view)).toMatchObject({ endpoint: { host: 'db', port: 7 }, user: 'me' })
    expect(settingsOf(view)?.password).toBe('secret')
    expect(JSON.stringify([one, view, settingsOf(view)])).not.toContain('secret')
    expect(settingsOf({ name: 'foreign' } as never)).toBeUndefined()
  })
})
