import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { ConnectionLostError, createPool, InDoubtError } from '@poolhouse/core'
import { EventHub, type Observable } from '@poolhouse/core/kit'
import { fakeDriver, virtualClock } from '@poolhouse/core/testing'
import { pino } from 'pino'
import { expect, expectTypeOf, test } from 'vitest'
import winston from 'winston'
import { type Logger, logEvents } from '../../../src/index.js'
import { EVENT_LINES } from '../../../src/log/event-lines.js'

const SECRET = 'hunter2'

/** A stream, and the lines that were written to it. */
function sink(): { stream: Writable; lines: string[] } {
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(...String(chunk).trimEnd().split('\n'))
      done()
    },
  })
  return { stream, lines }
}

/** A pool whose first lease leaks and whose second connect fails. */
async function trouble(logger: Logger, options?: Parameters<typeof logEvents>[2]): Promise<void> {
  const clock = virtualClock()
  const refused = new Error(`connect ECONNREFUSED 127.0.0.1:5432`)
  const driver = fakeDriver({
    clock,
    onConnect: (attempt) => (attempt === 2 ? refused : undefined),
  })
  const pool = createPool({
    driver,
    connection: `postgres://app:${SECRET}@localhost/app`,
    name: 'orders',
    leakWarningMs: 1_000,
    clock,
    random: () => 0.5,
  })
  const stop = logEvents(pool, logger, options)
  const acquired = pool.acquire()
  await clock.advance(50)
  const lease = await acquired
  const answer = lease.query('select $1', [SECRET])
  await clock.advance(50)
  await answer
  const second = pool.acquire({ timeoutMs: 100 }).catch(() => {})
  await clock.advance(3_000)
  await second
  stop()
  const closed = pool.close({ timeoutMs: 1 })
  await clock.advance(100)
  await closed
}

function occurrences(line: string, of: string): number {
  return line.split(of).length - 1
}

test('T83: pino gets one line for each event, with level, sentence and fields', async () => {
  const { stream, lines } = sink()
  await trouble(pino({ level: 'debug' }, stream))
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(parsed).toContainEqual(
    expect.objectContaining({
      level: 20,
      event: 'connect',
      pool: 'orders',
      connection: 1,
      msg: expect.stringMatching(/^pool "orders": connection 1 opened in \d+ ms$/),
    }),
  )
  expect(parsed).toContainEqual(
    expect.objectContaining({ level: 40, event: 'leak', statement: 'select $1', collected: false }),
  )
  const failed = lines.find((line) => line.includes('"event":"error"'))!
  expect(JSON.parse(failed)).toMatchObject({
    level: 50,
    error: { type: 'ConnectError', code: 'POOLHOUSE_CONNECT' },
  })
  expect(occurrences(failed, 'ECONNREFUSED')).toBe(1)
  expect(lines.join('\n')).not.toContain(SECRET)
})

test('T83: winston gets the same', async () => {
  const { stream, lines } = sink()
  const logger = winston.createLogger({
    level: 'debug',
    format: winston.format.json(),
    transports: [new winston.transports.Stream({ stream })],
  })
  await trouble(logger)
  await new Promise((resolve) => setImmediate(resolve))
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(parsed).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      event: 'leak',
      message: expect.stringMatching(/^pool "orders": the lease of connection 1 has not been/),
    }),
  )
  const failed = lines.find((line) => line.includes('"event":"error"'))!
  expect(occurrences(failed, 'ECONNREFUSED')).toBe(1)
  expect(lines.join('\n')).not.toContain(SECRET)
})

test('T83: console gets one line of text for each event', async () => {
  const { stream, lines } = sink()
  await trouble(new Console(stream))
  expect(lines.every((line) => line.startsWith('pool "orders": '))).toBe(true)
  const failed = lines.filter((line) => line.includes('ECONNREFUSED'))
  expect(failed).toHaveLength(1)
  expect(occurrences(failed[0]!, 'ECONNREFUSED')).toBe(1)
  expect(lines.join('\n')).not.toContain(SECRET)
})

/** An error whose message quotes its cause, which quotes its own. */
function chain(): InDoubtError {
  const cause = new Error('read ECONNRESET')
  const lost = new ConnectionLostError(`the connection is gone: ${cause.message}`, {
    executed: 'unknown',
    cause,
  })
  return new InDoubtError('no answer came: the connection is gone: read ECONNRESET', lost)
}

/** Logs a call in doubt and the loss of its connection. */
async function doubt(logger: Logger): Promise<void> {
  const hub = new EventHub()
  const source = {
    ...{ pools: () => [], stats: () => ({}), holders: () => ({}), inspect: () => [] },
    on: (...listened: Parameters<EventHub['on']>) => hub.on(...listened),
    off: (...listened: Parameters<EventHub['off']>) => hub.off(...listened),
  } as unknown as Observable
  const stop = logEvents(source, logger)
  const error = chain()
  hub.emit('in-doubt', { pool: 'orders', node: 'a', error })
  const reason = 'the connection is gone: read ECONNRESET'
  hub.emit('destroy', { pool: 'orders', connection: 1, reason, cause: error.cause })
  await new Promise((resolve) => setImmediate(resolve))
  stop()
}

test.each([
  ['pino', (stream: Writable): Logger => pino({ level: 'debug' }, stream)],
  [
    'winston',
    (stream: Writable): Logger =>
      winston.createLogger({
        level: 'debug',
        format: winston.format.json(),
        transports: [new winston.transports.Stream({ stream })],
      }),
  ],
  ['console', (stream: Writable): Logger => new Console(stream)],
])('T83: %s gets each message of a chain of causes once', async (_name, make) => {
  const { stream, lines } = sink()
  await doubt(make(stream))
  expect(lines).toHaveLength(2)
  for (const line of lines) {
    expect([line, occurrences(line, 'read ECONNRESET')]).toEqual([line, 1])
    expect(line).toContain('POOLHOUSE_CONNECTION_LOST')
  }
})

test('T83: pino repeats no message of a raw error with the serializer that the README names', () => {
  const { stream, lines } = sink()
  const error = chain()
  pino({ serializers: { err: pino.stdSerializers.errWithCause } }, stream).error(error)
  const { err } = JSON.parse(lines[0]!) as { err: { message: string; cause: object } }
  expect(err.message).toBe(error.message)
  expect(err).toMatchObject({ executed: 'unknown', cause: { type: 'ConnectionLostError' } })
  // Its default adds the messages of all causes to one that has their words already.
  pino(stream).error(error)
  const standard = JSON.parse(lines[1]!) as { err: { message: string } }
  expect(occurrences(standard.err.message, 'read ECONNRESET')).toBe(3)
})

test('T83: logs the events that are asked for, at the levels that are asked for', async () => {
  const { stream, lines } = sink()
  await trouble(pino({ level: 'debug' }, stream), {
    events: ['leak', 'connect'],
    levels: { connect: 'info' },
  })
  const seen = lines.map((line) => JSON.parse(line) as { event: string; level: number })
  expect([...new Set(seen.map(({ event, level }) => `${event} ${level}`))]).toEqual([
    'connect 30',
    'leak 40',
  ])
})

test('T83: refuses what is no logger, and options that do not exist', () => {
  const clock = virtualClock()
  const pool = createPool({ driver: fakeDriver({ clock }), connection: 'postgres://h/d', clock })
  const logger = pino({ enabled: false })
  expect(() => logEvents(pool, { info() {} } as never)).toThrow(
    'logEvents: logger must have the methods debug, info, warn, error, as console, pino and winston have, got an object without debug',
  )
  expect(() => logEvents(pool, logger, { evnts: [] } as never)).toThrow('did you mean "events"?')
  expect(() => logEvents(pool, logger, { events: ['leek' as never] })).toThrow(
    'logEvents: unknown event "leek"; did you mean "leak"?',
  )
  expect(() => logEvents(pool, logger, { levels: { leak: 'loud' as never } })).toThrow(
    'logEvents: the level of leak must be one of debug, info, warn, error, got "loud"',
  )
  expect(() => logEvents({} as never, logger)).toThrow('observe: give a pool or a manager')
})

test('every event of a pool has a line', () => {
  const clock = virtualClock()
  const pool = createPool({ driver: fakeDriver({ clock }), connection: 'postgres://h/d', clock })
  let known = ''
  try {
    pool.on('nothing' as never, () => {})
  } catch (error) {
    known = (error as Error).message.replace(/.*known: /, '')
  }
  expect(EVENT_LINES.map(({ event }) => event).sort()).toEqual(known.split(', ').sort())
})

test('console and the loggers of pino and winston are loggers', () => {
  expectTypeOf<Console>().toExtend<Logger>()
  expectTypeOf<ReturnType<typeof pino>>().toExtend<Logger>()
  expectTypeOf<winston.Logger>().toExtend<Logger>()
})
