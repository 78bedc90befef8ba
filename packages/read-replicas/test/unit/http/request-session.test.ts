import { describe, expect, test } from 'vitest'
import { HandedTokens } from '../../../src/http/handed-tokens.js'
import { type RequestOptions, RequestSessions } from '../../../src/http/request-session.js'
import { type Setting, startSetting } from '../setting.js'

interface Request {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
}

/** Requests to a pool whose primary commits with every insert. */
async function start(options: RequestOptions<Request> = {}): Promise<{
  readonly setting: Setting
  begin(headers?: Record<string, string>): ReturnType<RequestSessions<Request>['begin']>
  /** A request that writes, until just before its response. */
  write(headers?: Record<string, string>): Promise<() => string | undefined>
}> {
  const setting = await startSetting()
  const { primary, db } = setting
  primary.answer = ({ text }) => {
    if (text.startsWith('insert')) primary.position += 0x100
  }
  const sessions = new RequestSessions<Request>(db, options)
  const begin = (headers: Record<string, string> = {}) =>
    sessions.begin({ method: 'POST', headers }, { method: 'POST', header: (name) => headers[name] })
  return {
    setting,
    begin,
    write: async (headers) => {
      const request = begin(headers)
      await request.run(() => db.query('insert'))
      return () => tokenIn(request.headers())
    },
  }
}

const tokenIn = (headers: readonly (readonly [string, string])[]): string | undefined =>
  headers.find(([name]) => name === 'x-db-token')?.[1]
const positionIn = (token: string | undefined): number =>
  Number.parseInt(token?.split('.')[3] ?? '', 16)
const cookie = (token: string): Record<string, string> => ({ cookie: `db_token=${token}` })

describe('concurrent requests of one client', () => {
  test('T56: get the later position, whichever is answered last', async () => {
    const { write } = await start()
    const first = (await write())()!
    const slow = await write(cookie(first))
    const quick = await write(cookie(first))
    const newest = quick()!
    expect(positionIn(newest)).toBeGreaterThan(positionIn(first))
    expect(slow()).toBe(newest)
    // Once more, as a framework may ask twice.
    expect(slow()).toBe(newest)
  })

  test('T56: get it over any number of responses in between, and on the first visit', async () => {
    const { write } = await start()
    const slow = await write()
    let newest = (await write())()!
    for (let n = 0; n < 3; n++) newest = (await write({ 'x-db-token': newest }))()!
    expect(slow()).toBe(newest)
  })

  test('T56: do not affect those of other clients', async () => {
    const { write } = await start()
    const [one, other] = [(await write())()!, (await write())()!]
    const slow = await write(cookie(one))
    const answered = positionIn((await write(cookie(other)))())
    expect(positionIn(slow())).toBeLessThan(answered)
  })

  test('T56: keep the strong token with which one of them has written, whichever is answered last', async () => {
    const { setting, write, begin } = await start({ monotonicReads: true })
    const strong = cookie('v1.strong')
    const reading = begin(strong)
    await reading.run(() => setting.db.reader().query('select 1'))
    const later = begin(strong)
    expect((await write(strong))()).toBeUndefined()
    expect(await reading.freshHeaders()).toEqual([])
    // A request that begins later sees the write itself.
    const next = begin(strong)
    for (const one of [later, next]) {
      await one.run(() => setting.db.reader().query('select 1'))
    }
    expect(await later.freshHeaders()).toEqual([])
    expect(positionIn(tokenIn(await next.freshHeaders()))).toBe(setting.primary.position)
  })

  test('T56: that only read set no token', async () => {
    const { write, begin } = await start()
    const given = cookie((await write())()!)
    const reading = begin(given)
    ;(await write(given))()
    expect(reading.headers()).toEqual([])
  })
})

describe('a header and a cookie', () => {
  test('T56: both count, whichever is older', async () => {
    const { setting, write, begin } = await start()
    const older = (await write())()!
    const newer = (await write(cookie(older)))()!
    setting.b.position = Number.parseInt(older.split('.')[3]!, 16)
    setting.c.position = setting.b.position
    for (const [header, inCookie] of [
      [older, newer],
      [newer, older],
    ] as const) {
      const request = begin({ 'x-db-token': header, ...cookie(inCookie) })
      const read = request.run(() => setting.db.reader().query('select 1'))
      await setting.clock.advance(200)
      expect((await read).node).toBe('a')
    }
    const alone = begin(cookie(older))
    await setting.clock.advance(2_000)
    const { node } = await alone.run(() => setting.db.reader().query('select 1'))
    expect(node).not.toBe('a')
  })

  test('T56: a forged header sends reads to the primary, and the cookie still counts', async () => {
    const { setting, write, begin } = await start()
    const good = (await write())()!
    const request = begin({ 'x-db-token': 'nonsense', ...cookie(good) })
    const read = request.run(() => setting.db.reader().query('select 1'))
    await setting.clock.advance(200)
    expect((await read).node).toBe('a')
  })
})

describe('a session that sees another token', () => {
  test('T56: never goes back behind either of them', async () => {
    const { setting, write } = await start()
    const older = (await write())()!
    const newer = (await write(cookie(older)))()!
    for (const [first, second] of [
      [older, newer],
      [newer, older],
      ['', newer],
      [newer, ''],
    ] as const) {
      const session = setting.db.session(first)
      session.see(second)
      expect(session.token).toBe(newer)
    }
  })

  test('T56: is strong if the tokens cannot be compared, and reports a text that is no token', async () => {
    const { setting, write } = await start()
    const good = (await write())()!
    const refused: string[] = []
    setting.db.on('token', ({ reason }) => refused.push(reason))
    for (const other of ['v1.strong', 'nonsense', good.replace(/^v1\.\d+/, 'v1.99')]) {
      const session = setting.db.session(good)
      session.see(other)
      expect(session.token).toBe('v1.strong')
    }
    await setting.clock.advance(0)
    expect(refused).toEqual(['malformed'])
    expect(() => setting.db.session().see(7 as never)).toThrow(TypeError)
  })
})

test('T56: tokens that were handed out are forgotten in the end, the least recently used first', () => {
  const handed = new HandedTokens()
  for (let n = 0; n <= 10_000; n++) handed.handOut(`given ${n}`, `new ${n}`)
  expect(handed.after('given 0')).toBeUndefined()
  expect(handed.after('given 1')).toBe('new 1')
  handed.handOut('v1.strong', 'x')
  handed.handOut('x', 'v1.strong')
  expect(handed.after('x')).toBe('v1.strong')
})

test('T56: a strong token of one client does not send new clients to the primary for ever', async () => {
  const { write, begin, setting } = await start()
  const { primary, clock } = setting
  const { sample } = primary
  primary.sample = () => {
    throw new Error('the position of this write is not available')
  }
  const request = begin()
  await request.run(() => setting.db.query('insert'))
  const beside = begin()
  expect(tokenIn(request.headers())).toBe('v1.strong')
  primary.sample = sample
  // The same client may have begun this request before it had that token.
  await beside.run(() => setting.db.query('insert'))
  expect(tokenIn(beside.headers())).toBe('v1.strong')
  for (let n = 0; n < 3; n++) {
    await clock.advance(20_000)
    expect((await write())()).not.toBe('v1.strong')
  }
})
