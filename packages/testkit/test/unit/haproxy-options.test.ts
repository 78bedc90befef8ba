import { describe, expect, it } from 'vitest'
import { configurationText } from '../../src/programs/haproxy/configuration.js'
import {
  type HaproxyOptions,
  resolveHaproxyOptions,
} from '../../src/programs/haproxy/haproxy-options.js'

const targets = ['postgres://app:hidden@127.0.0.1:5001/app', 'postgres://app@[::1]:5002/app']
const resolve = (options: object) =>
  resolveHaproxyOptions({ targets, ...options } as HaproxyOptions)

describe('the options of startHaproxy', () => {
  it.each([
    [{ targets: [] }, /targets must be a list of at least one connection URL/],
    [{ targets: 'postgres://a' }, /targets must be a list/],
    [{ targets: [5] }, /targets must be connection URLs/],
    [
      { targets: ['postgres://app:hidden@a,b/app'] },
      /^(?!.*hidden).*each of targets must name one host/,
    ],
    [{ lines: ['a\nb'] }, /lines must be a list of texts of one line each/],
    [{ health: { path: 'primary', ports: [1, 2] } }, /health\.path must begin with/],
    [{ health: { path: '/primary', ports: [1] } }, /health\.ports must be a list of 2 ports/],
    [{ target: 'x' }, /target/],
  ])('refuse %j, naming the option', (options, message) => {
    expect(() => resolve(options)).toThrow(message)
  })

  it('make the URL through it of that of the first target', () => {
    expect(resolve({}).urlAt('127.0.0.1', 6000)).toBe('postgres://app:hidden@127.0.0.1:6000/app')
  })
})

describe('the configuration of a HAProxy', () => {
  it('lets the first target serve, and the others wait', () => {
    const text = configurationText(resolve({ lines: ['maxconn 7'] }), 6000)
    expect(text).toContain('\n  bind 127.0.0.1:6000\n')
    expect(text).toMatch(/\n {2}server s1 127\.0\.0\.1:5001 on-marked-down shutdown-sessions\n/)
    expect(text).toMatch(/\n {2}server s2 .*:5002 on-marked-down shutdown-sessions disabled\n/)
    expect(text).toContain('\n  maxconn 7\n')
    expect(text).not.toContain('hidden')
  })

  it('lets the target serve whose health check says so', () => {
    const text = configurationText(resolve({ health: { path: '/primary', ports: [7, 8] } }), 6000)
    expect(text).toContain('\n  option httpchk GET /primary\n  http-check expect status 200\n')
    expect(text).toMatch(/\n {2}server s1 .*:5001 on-marked-down shutdown-sessions check port 7\n/)
    expect(text).toMatch(/\n {2}server s2 .*:5002 on-marked-down shutdown-sessions check port 8\n/)
    expect(text).not.toContain('disabled')
  })
})
