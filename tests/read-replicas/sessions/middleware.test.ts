import type { QueryResult } from '@poolhouse/core'
import type { ReplicaPool } from '@poolhouse/read-replicas'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DRIVERS, PG } from '../../support/drivers.js'
import { type ReplicaCluster, startReplicaCluster, untilFitting } from '../replica-cluster.js'
import { FRAMEWORKS, type NotesApi } from './web-apps.js'

let setting: ReplicaCluster

beforeAll(async () => {
  setting = await startReplicaCluster()
})
afterAll(() => setting?.[Symbol.asyncDispose]())

/** Routes that know nothing of sessions: they use the pool as if there were one server. */
function apiOf(db: ReplicaPool): NotesApi {
  const answer = ({ rows, node }: QueryResult): object => ({ rows, node })
  const find = async (id: number): Promise<object> =>
    answer(await db.query('select id from notes where id = $1', [id]))
  return {
    add: async (id) => answer(await db.query('insert into notes values ($1)', [id])),
    find,
    search: find,
  }
}

interface Answer {
  readonly body: { rows: { id: number }[]; node: string }
  readonly cookies: string[]
  readonly token: string | null
}

/** Sends a request with these headers. */
async function send(
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: object,
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  expect(response.status).toBe(200)
  return {
    body: (await response.json()) as Answer['body'],
    cookies: response.headers.getSetCookie(),
    token: response.headers.get('x-db-token'),
  }
}

let lastId = 0

describe.each(FRAMEWORKS)('the middleware for $framework', ({ start }) => {
  it.each(DRIVERS)(
    'S48: shows a visitor their own write, by cookie and by header, at no cost to others over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make(), { maxStalenessMs: 60_000 })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      await using app = await start(db, apiOf(db))
      for (const node of [setting.b, setting.c]) await node.pauseReplay()
      try {
        const id = ++lastId
        const written = await send('POST', `${app.url}/notes`, {}, { id })
        expect(written.body.node).toBe('a')
        expect(written.cookies.some((text) => text.startsWith('other=kept'))).toBe(true)
        const cookie = written.cookies.find((text) => text.startsWith('db_token='))!
        expect(cookie).toMatch(
          /^db_token=v1\.\d+\.\d+\.[0-9A-F]+(?:\.~[\w~-]+)?; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/,
        )
        expect(written.token).toBe(/=(.*?);/.exec(cookie)?.[1])
        const url = `${app.url}/notes/${id}`
        const stranger = await send('GET', url, {})
        expect(stranger.body.rows).toEqual([])
        expect(['b', 'c']).toContain(stranger.body.node)
        expect([stranger.cookies, stranger.token]).toEqual([[], null])
        for (const headers of [
          { cookie: `a=b; ${cookie.split(';')[0]}; c=d` },
          { 'x-db-token': written.token! },
        ]) {
          const seen = await send('GET', url, headers)
          expect(seen.body).toEqual({ rows: [{ id }], node: 'a' })
        }
      } finally {
        for (const node of [setting.b, setting.c]) await node.resumeReplay()
      }
      await untilFitting(db, ['b', 'c'])
    },
  )

  it.each(DRIVERS)(
    'T56: a visitor whose slower request answers last keeps the later token over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make(), { maxStalenessMs: 60_000 })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      const [slow, quick] = [++lastId, ++lastId]
      const api = apiOf(db)
      let written = (): void => {}
      let answer = (): void => {}
      const isWritten = new Promise<void>((resolve) => {
        written = resolve
      })
      const mayAnswer = new Promise<void>((resolve) => {
        answer = resolve
      })
      const add = async (id: number): Promise<unknown> => {
        const result = await api.add(id)
        if (id !== slow) return result
        written()
        await mayAnswer
        return result
      }
      await using app = await start(db, { ...api, add })
      const first = await send('POST', `${app.url}/notes`, {}, { id: ++lastId })
      const headers = { cookie: `db_token=${first.token}` }
      const slower = send('POST', `${app.url}/notes`, headers, { id: slow })
      await isWritten
      for (const node of [setting.b, setting.c]) await node.pauseReplay()
      try {
        const { token } = await send('POST', `${app.url}/notes`, headers, { id: quick })
        answer()
        const last = await slower
        expect(last.token).toBe(token)
        const cookie = { cookie: `db_token=${last.token}`, 'x-db-token': first.token! }
        const seen = await send('GET', `${app.url}/notes/${quick}`, cookie)
        expect(seen.body).toEqual({ rows: [{ id: quick }], node: 'a' })
      } finally {
        for (const node of [setting.b, setting.c]) await node.resumeReplay()
      }
    },
  )

  it.each([PG])('lets a route that only reads say so over $driver', async ({ make }) => {
    await using routed = setting.connect(make())
    const { db } = routed
    await untilFitting(db, ['b', 'c'])
    await using app = await start(db, apiOf(db))
    const { body, cookies } = await send('POST', `${app.url}/search`, {}, { id: 1 })
    expect(['b', 'c']).toContain(body.node)
    expect(cookies.filter((cookie) => cookie.startsWith('db_token='))).toEqual([])
  })

  it.each([PG])(
    'S48: answers a visitor with a made-up token like any other over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make(), { tokenSecret: 'a secret of some length' })
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      await using app = await start(db, apiOf(db))
      const { body } = await send('GET', `${app.url}/notes/-1`, { cookie: 'db_token=v1.1.1.FFFF' })
      expect(body).toEqual({ rows: [], node: 'a' })
    },
  )

  it.each([PG])(
    'S51: hands on what reads have shown, where that is asked for over $driver',
    async ({ make }) => {
      await using routed = setting.connect(make())
      const { db } = routed
      await untilFitting(db, ['b', 'c'])
      await using app = await start(db, apiOf(db), { monotonicReads: true })
      const id = ++lastId
      const look = (headers: Record<string, string>) =>
        send('GET', `${app.url}/notes/${id}`, headers)
      const first = await look({})
      expect(first.token).toMatch(/^v1\.\d+\.\d+\.[0-9A-F]+(?:\.~[\w~-]+)?$/)
      await db.query('insert into notes values ($1)', [id])
      // Not the visitor's own write: a replica shows it when it has replayed it.
      let second: Answer
      do second = await look({ 'x-db-token': first.token! })
      while (second.body.rows.length === 0)
      const positionIn = (token: string): number => Number.parseInt(token.split('.')[3]!, 16)
      expect(positionIn(second.token!)).toBeGreaterThan(positionIn(first.token!))
    },
  )
})
