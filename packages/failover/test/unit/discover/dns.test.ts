import { virtualClock } from '@poolhouse/core/testing'
import { describe, expect, it } from 'vitest'
import { type DnsOptions, type DnsResolver, dns } from '../../../src/index.js'

const context = { signal: new AbortController().signal, clock: virtualClock() }
const coded = (code: string): Error => Object.assign(new Error(code), { code })

/** A resolver that knows these records. */
function resolver(records: {
  v4?: { address: string; ttl: number }[] | Error
  v6?: { address: string; ttl: number }[] | Error
  srv?: { name: string; port: number; priority: number }[] | Error
}): DnsResolver {
  const give = async <T>(found: T | Error = coded('ENODATA')): Promise<T> => {
    if (found instanceof Error) throw found
    return found
  }
  return {
    resolve4: () => give(records.v4),
    resolve6: () => give(records.v6),
    resolveSrv: () => give(records.srv),
  }
}

const find = (options: DnsOptions) => dns(options).next(context)

describe('dns', () => {
  it('lists the addresses of a name in a stable order, valid for the shortest time to live', async () => {
    const v4 = [
      { address: '10.0.0.2', ttl: 30 },
      { address: '10.0.0.1', ttl: 5 },
    ]
    expect(await find({ name: 'db', port: 5433, resolver: resolver({ v4 }) })).toEqual({
      nodes: [
        { host: '10.0.0.1', port: 5433, serverName: 'db' },
        { host: '10.0.0.2', port: 5433, serverName: 'db' },
      ],
      validMs: 5_000,
    })
  })

  it.each([
    [0, 1_000],
    [86_400, 60_000],
  ])('keeps an answer with a time to live of %d s for %d ms', async (ttl, validMs) => {
    const v4 = [{ address: '10.0.0.1', ttl }]
    expect(await find({ name: 'db', resolver: resolver({ v4 }) })).toMatchObject({ validMs })
  })

  it('never lists both IPv4 and IPv6 addresses', async () => {
    const v4 = [{ address: '10.0.0.1', ttl: 5 }]
    const v6 = [{ address: 'fd00::1', ttl: 5 }]
    const hostsOf = async (options: DnsOptions) =>
      (await find(options)).nodes.map(({ host }) => host)
    expect(await hostsOf({ name: 'db', resolver: resolver({ v4, v6 }) })).toEqual(['10.0.0.1'])
    expect(await hostsOf({ name: 'db', resolver: resolver({ v6 }) })).toEqual(['fd00::1'])
    expect(await hostsOf({ name: 'db', family: 6, resolver: resolver({ v4, v6 }) })).toEqual([
      'fd00::1',
    ])
    expect(await hostsOf({ name: 'db', family: 4, resolver: resolver({ v6 }) })).toEqual([])
  })

  it('distinguishes a failing name server from a name without addresses', async () => {
    const down = resolver({ v4: coded('ESERVFAIL') })
    await expect(find({ name: 'db', resolver: down })).rejects.toThrow('ESERVFAIL')
    expect(await find({ name: 'db', resolver: resolver({}) })).toEqual({ nodes: [] })
  })

  it('lists the targets of service records by name', async () => {
    const srv = [
      { name: 'b.example', port: 5433, priority: 1 },
      { name: 'a.example', port: 5432, priority: 2 },
    ]
    const { nodes } = await find({ srv: '_postgresql._tcp.example', resolver: resolver({ srv }) })
    expect(nodes).toEqual([
      { host: 'a.example', port: 5432, serverName: 'a.example' },
      { host: 'b.example', port: 5433, serverName: 'b.example' },
    ])
  })

  it.each<[unknown, RegExp]>([
    [{}, /either name or srv/],
    [{ name: 'a', srv: 'b' }, /either name or srv/],
    [{ srv: 'b', port: 1 }, /port and family apply to name only/],
    [{ name: 'a', port: 0 }, /port must be/],
    [{ name: 'a', family: 5 }, /family must be/],
    [{ name: 'a', resolver: {} }, /resolver must be a resolver/],
    [{ nane: 'a' }, /unknown option "nane"; did you mean "name"/],
  ])('refuses %j', (options, message) => {
    expect(() => dns(options as DnsOptions)).toThrow(message)
  })
})
