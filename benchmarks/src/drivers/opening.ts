import { type ConnectionOptions, createPool, type Driver } from '@poolhouse/core'
import { median, type Sample } from '../interleave.js'

/** Where a server is, and how to speak to it. */
export interface Place {
  /** URL with the password, unless the server asks for none. */
  readonly url: string
  /** Certificate authority of a server that speaks TLS. */
  readonly ca: string | undefined
}

/** One connection that has answered. */
interface Opened {
  /** Closes it politely; resolves when it is closed. */
  close(): Promise<void>
}

/**
 * Opens a connection and runs the point query. What can be made once for many connections is made
 * here, once.
 */
export type MakeOpener = (place: Place) => Promise<() => Promise<Opened>>

const TEXT = 'select balance from accounts where id = $1'
const VALUES = [7]
// Some hundred openings, so that most of what is measured is compiled: a server gives away some
// fifty connections a second.
const WARM_UP_MS = 6_000
const MEASURE_MS = 4_000

/**
 * One connection after another: how long until the first answer, and the CPU time of all of it,
 * closing included.
 */
export async function opening(make: MakeOpener, place: Place): Promise<Sample> {
  const open = await make(place)
  const times: number[] = []
  const once = async (): Promise<void> => {
    const start = performance.now()
    const opened = await open()
    times.push(performance.now() - start)
    await opened.close()
  }
  const repeat = async (ms: number): Promise<void> => {
    for (const end = performance.now() + ms; performance.now() < end; ) await once()
  }
  await repeat(WARM_UP_MS)
  times.length = 0
  const before = process.cpuUsage()
  await repeat(MEASURE_MS)
  const { user, system } = process.cpuUsage(before)
  return { ms: median(times), 'CPU µs': (user + system) / times.length }
}

/** A session of a pool of ours. */
export const ourSession =
  (driver: Driver): MakeOpener =>
  async (place) => {
    const pool = createPool({ driver, connection: ours(place) })
    return async () => {
      const session = await pool.openSession()
      session.keepAlive(true)
      await session.query(TEXT, VALUES)
      return session
    }
  }

/** A pool of one of ours, made for each connection. */
export const ourPool =
  (driver: Driver): MakeOpener =>
  async (place) =>
  async () => {
    const pool = createPool({ driver, connection: ours(place), max: 1 })
    await pool.query(TEXT, VALUES)
    return pool
  }

/** `pg.Client`. */
export const pgClient: MakeOpener = async (place) => {
  const { default: pg } = await import('pg')
  return async () => {
    const client = new pg.Client({
      connectionString: place.url,
      ssl: place.ca === undefined ? false : { ca: place.ca },
    })
    await client.connect()
    await client.query(TEXT, VALUES)
    return { close: () => client.end() }
  }
}

/** An instance of postgres.js with one connection, and with options of its own on top. */
export const postgresInstance =
  (own: Readonly<Record<string, unknown>> = {}): MakeOpener =>
  async (place) => {
    const { default: postgres } = await import('postgres')
    return async () => {
      const sql = postgres(place.url, {
        max: 1,
        ssl: place.ca === undefined ? false : { ca: place.ca },
        ...own,
      })
      await sql.unsafe(TEXT, VALUES, { prepare: true })
      return { close: () => sql.end() }
    }
  }

function ours({ url, ca }: Place): ConnectionOptions | string {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    database: decodeURIComponent(pathname.slice(1)),
    ssl: ca === undefined ? false : { mode: 'verify-full', ca },
  }
}
