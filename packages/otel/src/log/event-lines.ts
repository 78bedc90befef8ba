import type { PoolEventName, PoolEvents } from '@poolhouse/core'

/** How loud a line is. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** How an event becomes a line of a log. */
export interface EventLine<Name extends PoolEventName = PoolEventName> {
  /** The event. */
  readonly event: Name
  /** Its level. */
  readonly level: LogLevel
  /** What it means, in a sentence. */
  readonly meaning: string
  /** The sentence that is logged. What it repeats of the event is left out of the fields. */
  message(event: PoolEvents[Name]): string
}

const ms = (value: number): string => `${Math.round(value)} ms`

function line<Name extends PoolEventName>(
  event: Name,
  level: LogLevel,
  meaning: string,
  message: (event: PoolEvents[Name]) => string,
): EventLine {
  return { event, level, meaning, message } as unknown as EventLine
}

/** Every event, as it is logged. */
export const EVENT_LINES: readonly EventLine[] = [
  line(
    'connect',
    'debug',
    'A connection was opened.',
    ({ connection, createMs }) => `connection ${connection} opened in ${ms(createMs)}`,
  ),
  line(
    'acquire',
    'debug',
    'A connection was lent. Only if asked for: one line for each call.',
    ({ connection, waitMs }) => `connection ${connection} lent after ${ms(waitMs)}`,
  ),
  line(
    'release',
    'debug',
    'A connection came back. Only if asked for: one line for each call.',
    ({ connection, useMs, again }) =>
      again === true
        ? `connection ${connection} was released a second time`
        : `connection ${connection} came back after ${ms(useMs)}`,
  ),
  line(
    'destroy',
    'debug',
    'A connection is gone.',
    ({ connection, reason }) => `connection ${connection} is gone: ${reason}`,
  ),
  line(
    'leak',
    'warn',
    'A lease has been out too long, or was dropped without release().',
    ({ connection, heldMs, collected }) =>
      `the lease of connection ${connection} ${collected ? 'was dropped without release()' : 'has not been released'} after ${ms(heldMs)}`,
  ),
  line(
    'deadlock',
    'error',
    'Work that holds leases waits for more of them; one caller was refused.',
    ({ error }) => error.message,
  ),
  line(
    'overload',
    'warn',
    'A call was refused because the queue is full or load is shed.',
    ({ pending }) => `a call was refused while ${pending} wait for a connection`,
  ),
  line('topology', 'info', 'The view of the nodes changed.', ({ reason }) => reason),
  line(
    'fenced',
    'warn',
    'A node claims to be primary on an older timeline and is shut out.',
    ({ node, timeline, highest }) =>
      `${node} claims to be primary on timeline ${timeline} and is fenced: ${highest} was seen`,
  ),
  line(
    'split-brain',
    'error',
    'Two nodes claim to be primary on one timeline; writes are refused.',
    ({ nodes, timeline }) =>
      `${nodes.join(' and ')} claim to be primary on timeline ${timeline}: writes are refused`,
  ),
  line(
    'foreign',
    'error',
    'A node of another cluster answers at a known address.',
    ({ node }) => `${node} belongs to another cluster: nothing is sent to it`,
  ),
  line(
    'diverged',
    'error',
    "A server has what the primary's history does not have.",
    ({ node, reason }) => `${node} serves no reads: ${reason}`,
  ),
  line(
    'hold',
    'warn',
    'Work is held because there is no primary.',
    ({ reason }) => `calls are held: ${reason}`,
  ),
  line(
    'resume',
    'info',
    'Held work goes on.',
    ({ held, heldMs, reason }) => `${held} held calls go on after ${ms(heldMs)}: ${reason}`,
  ),
  line('in-doubt', 'error', 'Work was sent and no answer came.', ({ error }) => error.message),
  line(
    'pooler',
    'warn',
    'A pooler was noticed between a pool and its server.',
    ({ message }) => message,
  ),
  line(
    'unidentified',
    'warn',
    'How far a replica is behind cannot be told.',
    ({ node, reason }) => `${node} serves no reads with a bound: ${reason}`,
  ),
  line('servers', 'info', 'A name leads to one more server.', ({ message }) => message),
  line(
    'durability',
    'warn',
    'A commit succeeded on the primary alone.',
    ({ connection, message }) =>
      `a commit on connection ${connection} is on the primary alone: ${message}`,
  ),
  line(
    'ejected',
    'warn',
    'A replica is out of rotation.',
    ({ node, reason, forMs }) => `${node} gets no reads for ${ms(forMs)}: ${reason}`,
  ),
  line(
    'admitted',
    'info',
    'A replica is back in rotation.',
    ({ node, reason }) => `${node} gets reads again: ${reason}`,
  ),
  line('token', 'warn', 'A session token could not be honoured.', ({ message }) => message),
  line('error', 'error', 'Something failed in the background.', ({ error }) =>
    error instanceof Error ? error.message : String(error),
  ),
]
