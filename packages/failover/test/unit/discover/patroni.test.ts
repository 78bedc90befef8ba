import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '@poolhouse/core/kit'
import { afterEach, describe, expect, it } from 'vitest'
import { membersOf } from '../../../src/discover/patroni.js'
import { patroni } from '../../../src/index.js'

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

/** A REST API that answers with this body; undefined: it never answers. */
async function serve(
  status: number,
  body: string | undefined,
  asked: string[] = [],
): Promise<string> {
  const server = createServer((request, response) => {
    asked.push(request.url!)
    if (body !== undefined) response.writeHead(status).end(body)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const context = () => ({ signal: new AbortController().signal, clock: systemClock })
const member = (name: string, role: string, more: object = {}) => ({
  name,
  role,
  state: 'running',
  host: `${name}.example`,
  port: 5432,
  ...more,
})

describe('the members of /cluster', () => {
  it.each([
    ['leader', 'primary'],
    ['master', 'primary'],
    ['primary', 'primary'],
    ['replica', 'replica'],
    ['sync_standby', 'replica'],
    ['quorum_standby', 'replica'],
    ['standby_leader', 'replica'],
    ['something_new', undefined],
  ])('with role %s are hinted to be %s', (given, role) => {
    expect(membersOf({ members: [member('a', given)] })).toMatchObject([
      { host: 'a.example', role },
    ])
  })

  it('are listed whatever their state and lag, except those without an address', () => {
    const members = [
      member('a', 'leader', { lag: 0, timeline: 3 }),
      member('b', 'replica', { state: 'streaming', lag: 'unknown', port: '5433' }),
      member('c', 'replica', { state: 'start failed' }),
      { name: 'd', role: 'uninitialized', state: 'creating replica' },
      null,
      member('e', 'replica', { port: 99_999 }),
    ]
    expect(membersOf({ members }).map(({ name, port }) => `${name} ${port}`)).toEqual([
      'a 5432',
      'b 5433',
      'c 5432',
    ])
  })

  it('carry their zone, and get no reads with noloadbalance', () => {
    const members = [
      member('a', 'replica', { tags: { noloadbalance: true, zone: 'z1' } }),
      member('b', 'replica', { tags: { noloadbalance: 'false', nofailover: true, az: 'z2' } }),
    ]
    expect(membersOf({ members })).toMatchObject([
      { noReads: 'tagged noloadbalance', zone: 'z1' },
      { noReads: undefined, zone: undefined },
    ])
    expect(membersOf({ members }, 'az')).toMatchObject([{ zone: undefined }, { zone: 'z2' }])
  })

  it.each([[null], [{}], [{ members: 'none' }]])('are refused in %j', (answer) => {
    expect(() => membersOf(answer)).toThrow(/no list of members/)
  })
})

describe('patroni', () => {
  const body = JSON.stringify({ members: [member('a', 'leader')], scope: 'batman' })

  it('asks the next URL when one does not answer, and then stays with the one that does', async () => {
    const asked: [string[], string[], string[]] = [[], [], []]
    const urls = [
      await serve(200, undefined, asked[0]),
      await serve(503, 'no', asked[1]),
      await serve(200, body, asked[2]),
    ]
    const source = patroni({ urls, timeoutMs: 200 })
    expect((await source.next(context())).nodes).toMatchObject([{ host: 'a.example' }])
    await source.next(context())
    expect(asked.map((paths) => paths.length)).toEqual([1, 1, 2])
    expect(asked[2][0]).toBe('/cluster')
  })

  it('says what is wrong with each URL when none answers', async () => {
    const [hung, html] = [await serve(200, undefined), await serve(200, '<html>')]
    const source = patroni({ urls: [hung, html], timeoutMs: 100 })
    await expect(source.next(context())).rejects.toThrow(
      /no answer within 100 ms; 127.0.0.1:\d+: the answer is not JSON/,
    )
  })

  it('refuses an endless answer', async () => {
    const url = await serve(200, `"${'x'.repeat(2_000_000)}"`)
    await expect(patroni({ urls: [url] }).next(context())).rejects.toThrow(/above 1048576 bytes/)
  })

  it('rejects at once when its signal fires', async () => {
    const source = patroni({ urls: [await serve(200, undefined)], timeoutMs: 60_000 })
    const abort = new AbortController()
    const asking = source.next({ ...context(), signal: abort.signal })
    abort.abort()
    await expect(asking).rejects.toThrow()
  })

  it.each<[unknown, RegExp]>([
    [{ urls: [] }, /urls must be a list/],
    [{ urls: ['a:8008'] }, /urls\[0\] must be an http/],
    [{ urls: ['http://a'], timeout: 1 }, /unknown option "timeout"/],
    [{ urls: ['http://a'], tls: 1 }, /tls must be an object/],
  ])('refuses %j', (options, message) => {
    expect(() => patroni(options as never)).toThrow(message)
  })
})
