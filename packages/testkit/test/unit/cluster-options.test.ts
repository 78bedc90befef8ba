import { describe, expect, it } from 'vitest'
import { type ClusterOptions, resolveClusterOptions } from '../../src/cluster/cluster-options.js'

describe('cluster options', () => {
  it('fills in two asynchronous replicas, trust, no TLS and the database app', () => {
    expect(resolveClusterOptions()).toEqual({
      replicas: 2,
      synchronous: false,
      settings: {},
      tls: false,
      auth: 'trust',
      database: 'app',
    })
  })

  it('treats an option that is undefined as left out', () => {
    const options = { replicas: undefined, binaries: undefined } as unknown as ClusterOptions
    expect(resolveClusterOptions(options)).toEqual(resolveClusterOptions())
  })

  it.each([
    ['replica', 'replicas'],
    ['sync', 'synchronous'],
    ['databse', 'database'],
  ])('refuses the unknown option %s and suggests %s', (wrong, right) => {
    const options = { [wrong]: 1 } as ClusterOptions
    expect(() => resolveClusterOptions(options)).toThrow(TypeError)
    expect(() => resolveClusterOptions(options)).toThrow(
      `unknown option "${wrong}"; did you mean "${right}"?`,
    )
  })

  it.each<[unknown, ErrorConstructor, string]>([
    [{ replicas: '2' }, TypeError, 'startCluster: replicas must be a number, got "2"'],
    [{ replicas: 9 }, RangeError, 'replicas must be a whole number from 0 to 8, got 9'],
    [{ replicas: 1.5 }, RangeError, 'got 1.5'],
    [{ replicas: Number.NaN }, RangeError, 'got NaN'],
    [{ replicas: 0, synchronous: true }, RangeError, 'at least 1 when synchronous is true'],
    [
      { synchronous: 'yes' },
      TypeError,
      'startCluster: synchronous must be true or false, got "yes"',
    ],
    [{ tls: 1 }, TypeError, 'startCluster: tls must be true or false, got 1'],
    [{ tls: { validTill: 1 } }, TypeError, 'startCluster: tls: unknown option "validTill"'],
    [{ tls: { validTo: 'soon' } }, TypeError, 'startCluster: tls.validTo must be a Date'],
    [
      { auth: 'peer' },
      TypeError,
      'auth must be one of "trust", "scram-sha-256", "md5", "password"',
    ],
    [{ binaries: '' }, TypeError, 'startCluster: binaries must be a non-empty string, got ""'],
    [{ database: 7 }, TypeError, 'startCluster: database must be a string, got 7'],
    [
      { database: '' },
      RangeError,
      'startCluster: database must be one line of 1 to 63 bytes, got ""',
    ],
    [{ database: 'ä'.repeat(32) }, RangeError, '1 to 63 bytes'],
    [{ database: 'postgres' }, RangeError, 'startCluster: database must not be postgres'],
    [{ settings: [] }, TypeError, 'startCluster: settings must be an object'],
    [{ settings: { Port: 5 } }, TypeError, 'startCluster: settings must not contain Port'],
    [{ settings: { 'a b': 5 } }, TypeError, 'has the name "a b", which is not a setting'],
    [
      { settings: { work_mem: null } },
      TypeError,
      'startCluster: settings.work_mem must be a string',
    ],
    [{ settings: { work_mem: '1\nfsync=on' } }, TypeError, 'settings.work_mem must be one line'],
    [null, TypeError, 'options must be an object, got null'],
  ])('refuses %j', (options, kind, message) => {
    const resolve = (): unknown => resolveClusterOptions(options as ClusterOptions)
    expect(resolve).toThrow(kind)
    expect(resolve).toThrow(message)
  })
})
