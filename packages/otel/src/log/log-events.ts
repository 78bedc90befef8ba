import { Console } from 'node:console'
import type { Pool, PoolEventName } from '@poolhouse/core'
import {
  describeName,
  describeValue,
  nearestName,
  type Observable,
  observe,
  refuseUnknownOptions,
} from '@poolhouse/core/kit'
import { fieldsOf, type LogFields } from './event-fields.js'
import { EVENT_LINES, type LogLevel } from './event-lines.js'

/** A logger: `console`, one of pino, of winston, or any with these four methods. */
export type Logger = {
  readonly [Level in LogLevel]: (...line: never[]) => unknown
}

/**
 * Options of `logEvents`.
 *
 * @example
 * logEvents(pool, console, { events: ['topology', 'error'], levels: { topology: 'warn' } })
 */
export interface LogEventsOptions {
  /**
   * The events to log. Default: all but `acquire` and `release`, which come with every call. A
   * listener for `leak` takes the place of the process warning.
   */
  events?: readonly PoolEventName[] | undefined
  /** Other levels for some events, such as `{ connect: 'info' }`. Default: none. */
  levels?: Partial<Readonly<Record<PoolEventName, LogLevel>>> | undefined
}

const OPTIONS = new Set(['events', 'levels'])
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const WITH_EVERY_CALL: ReadonlySet<PoolEventName> = new Set(['acquire', 'release'])
const NAMES: readonly PoolEventName[] = EVENT_LINES.map(({ event }) => event)

/**
 * Logs the events of a pool, or of all pools of a manager: one line for each, with a level, a
 * sentence, and fields that can be searched for. No line holds values or passwords, and each
 * message stands in it once. Returns the function that ends it. Throws `TypeError` for what is no
 * pool, no logger, and for wrong options.
 *
 * @example
 * const end = logEvents(manager, pino())
 * end()
 */
export function logEvents(
  target: Pool | Observable,
  logger: Logger,
  options: LogEventsOptions = {},
): () => void {
  refuseUnknownOptions('logEvents', options, OPTIONS)
  const { levels = {} } = options
  const events = options.events ?? NAMES.filter((name) => !WITH_EVERY_CALL.has(name))
  checkEvents([...events, ...Object.keys(levels)])
  for (const [name, level] of Object.entries(levels)) checkLevel(name, level)
  const write = writerFor(logger)
  const observable = observe(target)
  const ends: (() => void)[] = []
  for (const { event: name, level, message } of EVENT_LINES) {
    if (!events.includes(name)) continue
    const listener = (event: { readonly pool: string }): void => {
      const text = message(event as never)
      write(levels[name] ?? level, `pool "${event.pool}": ${text}`, fieldsOf(name, event, text))
    }
    observable.on(name, listener)
    ends.push(() => observable.off(name, listener))
  }
  return () => {
    for (const end of ends.splice(0)) end()
  }
}

type Write = (level: LogLevel, message: string, fields: LogFields) => void

/** pino and bunyan take the fields first; `console` breaks an object into several lines. */
function writerFor(logger: Logger): Write {
  for (const level of LEVELS) {
    if (typeof logger?.[level] === 'function') continue
    throw new TypeError(
      `logEvents: logger must have the methods ${LEVELS.join(', ')}, as console, pino and winston have, got ${describeValue(logger)} without ${level}`,
    )
  }
  const log = logger as unknown as Record<LogLevel, (...line: unknown[]) => unknown>
  if (logger instanceof Console) {
    return (level, message, fields) => log[level](`${message} ${JSON.stringify(fields)}`)
  }
  const { bindings, addSerializers } = logger as { bindings?: unknown; addSerializers?: unknown }
  const takesFieldsFirst = typeof bindings === 'function' || typeof addSerializers === 'function'
  if (takesFieldsFirst) return (level, message, fields) => log[level](fields, message)
  return (level, message, fields) => log[level](message, fields)
}

function checkEvents(names: readonly string[]): void {
  for (const name of names) {
    if (NAMES.includes(name as PoolEventName)) continue
    const near = typeof name === 'string' ? nearestName(name, NAMES) : undefined
    throw new TypeError(
      `logEvents: unknown event ${describeName(name)}${near === undefined ? `; known: ${NAMES.join(', ')}` : `; did you mean "${near}"?`}`,
    )
  }
}

function checkLevel(name: string, level: unknown): void {
  if (LEVELS.includes(level as LogLevel)) return
  throw new TypeError(
    `logEvents: the level of ${name} must be one of ${LEVELS.join(', ')}, got ${describeValue(level)}`,
  )
}
