import { describe, expect, it } from 'vitest'
import {
  accessText,
  configurationText,
  passwordsText,
} from '../../src/programs/pgpool/configuration.js'
import {
  resolvePgpoolOptions,
  type StartPgpoolOptions,
} from '../../src/programs/pgpool/pgpool-options.js'

const targets = ['postgres://app:hidden@127.0.0.1:5001/app', 'postgres://app:hidden@[::1]:5002/app']
const resolve = (options: object) =>
  resolvePgpoolOptions({ targets, ...options } as StartPgpoolOptions)
const text = (options: object): string => configurationText(resolve(options), '/home', 6000, 6001)

describe('the options of startPgpool', () => {
  it.each([
    [{ targets: [] }, /targets must be a list of at least one connection URL/],
    [{ targets: [5] }, /targets must be connection URLs/],
    [
      { targets: ['postgres://app:hidden@a,b/app'] },
      /^(?!.*hidden).*each of targets must name one host/,
    ],
    [{ targets: ['postgres://a/app'] }, /each of targets must name one host, a user/],
    [{ targets: [...targets, 'postgres://other@a/app'] }, /same user and database/],
    [{ loadBalance: 'on' }, /loadBalance must be .*"on"/],
    [{ clients: 0 }, /clients must be .*0/],
    [{ settings: { 'a b': 1 } }, /settings\.a b must be the name of a setting/],
    [{ settings: { a: "it's" } }, /settings\.a must be .* without quotes/],
    [{ target: 'x' }, /target/],
  ])('refuse %j, naming the option', (options, message) => {
    expect(() => resolve(options)).toThrow(message)
  })
})

describe('the configuration of a Pgpool-II', () => {
  it('has every target, and the primary is asked for', () => {
    expect(text({})).toContain("backend_hostname1 = '::1'\nbackend_port1 = '5002'\n")
    expect(text({})).toContain("sr_check_user = 'app'\n")
    expect(text({})).toContain("load_balance_mode = 'off'\n")
    expect(text({ loadBalance: true })).toContain("load_balance_mode = 'on'\n")
  })

  it('takes further settings over its own, but for the port', () => {
    const own = text({ settings: { max_pool: 4, port: 1 } })
    expect(own).toContain("max_pool = '4'\n")
    expect(own).not.toContain("max_pool = '1'")
    expect(own).toContain("\nport = '6000'\n")
  })

  it('asks clients for a password where the servers do', () => {
    expect(accessText(resolve({}))).toBe('host all all 127.0.0.1/32 scram-sha-256\n')
    expect(passwordsText(resolve({}))).toBe('app:TEXThidden\n')
    const trusting = resolve({ targets: ['postgres://app@a/app'] })
    expect(accessText(trusting)).toBe('host all all 127.0.0.1/32 trust\n')
    expect(passwordsText(trusting)).toBe('')
  })
})
