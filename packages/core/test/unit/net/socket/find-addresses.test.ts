import { afterAll, describe, expect, it } from 'vitest'
import { ConnectDeadline } from '../../../../src/net/socket/connect-deadline.js'
import { findAddresses, type LookUp } from '../../../../src/net/socket/find-addresses.js'

const never = new ConnectDeadline(60_000, undefined)
afterAll(() => never[Symbol.dispose]())
const six = (address: string) => ({ address, family: 6 })
const four = (address: string) => ({ address, family: 4 })
const answer =
  (...addresses: { address: string; family: number }[]): LookUp =>
  (_host, _options, done) =>
    done(null, addresses)

describe('findAddresses', () => {
  it('alternates between address families, beginning with the one the system puts first', async () => {
    const found = answer(six('1::'), six('2::'), six('3::'), four('1.1.1.1'), four('2.2.2.2'))
    expect(await findAddresses('db', never, found)).toEqual([
      '1::',
      '1.1.1.1',
      '2::',
      '2.2.2.2',
      '3::',
    ])
    const other = answer(four('1.1.1.1'), six('1::'), four('1.1.1.1'))
    expect(await findAddresses('db', never, other)).toEqual(['1.1.1.1', '1::'])
  })

  it('looks a name up each time, and never an address', async () => {
    let asked = 0
    const look: LookUp = (_host, _options, done) => done(null, [four(`10.0.0.${++asked}`)])
    expect(await findAddresses('db', never, look)).toEqual(['10.0.0.1'])
    expect(await findAddresses('db', never, look)).toEqual(['10.0.0.2'])
    for (const address of ['127.0.0.1', '::1', 'fe80::1%lo']) {
      expect(await findAddresses(address, never, look)).toEqual([address])
    }
    expect(asked).toBe(2)
  })

  it('rejects with the error of the look-up, and when there is no address', async () => {
    const error = Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    await expect(findAddresses('db', never, (_h, _o, done) => done(error, []))).rejects.toBe(error)
    await expect(findAddresses('db', never, answer())).rejects.toThrow('"db" has no address')
  })

  it('rejects with the reason of the signal and ignores a late answer', async () => {
    const abort = new AbortController()
    using deadline = new ConnectDeadline(60_000, abort.signal)
    const reason = new Error('too late')
    let late = (): void => {}
    const look: LookUp = (_host, _options, done) => {
      late = () => done(null, [four('1.1.1.1')])
    }
    const found = findAddresses('db', deadline, look)
    abort.abort(reason)
    late()
    await expect(found).rejects.toBe(reason)
    await expect(findAddresses('db', deadline, look)).rejects.toBe(reason)
  })
})
