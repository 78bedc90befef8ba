import { describeValue } from '@poolhouse/core/kit'

/** Why a value of an option cannot be had, and what to do instead; undefined if it can. */
type Refusal = (value: unknown) => string | undefined

const leaveOut = (why: string): Refusal => {
  return () => `${why}; leave it out`
}
const unless = (fine: (value: unknown) => boolean, why: string): Refusal => {
  return (value) => (fine(value) ? undefined : why)
}

/** Options of `pg` that mean something, and that this pool cannot do. */
export const REFUSALS: ReadonlyMap<string, Refusal> = new Map([
  ['stream', leaveOut('the pool opens its sockets itself, so that it can follow and cancel them')],
  ['connection', leaveOut('the pool makes its connections itself')],
  [
    'replication',
    leaveOut('a session of the replication protocol runs no queries; use a pg.Client for it'),
  ],
  [
    'scramMaxIterations',
    leaveOut('the log-in is that of @poolhouse/core, which has a limit of its own'),
  ],
  [
    'pipeline',
    unless(
      (value) => !value,
      "a client runs one statement at a time; leave it out, and raise max for more at a time, or give multiplex: 'auto'",
    ),
  ],
  [
    'binary',
    unless(
      (value) => !value,
      'values come as texts; leave it out, or ask for binary: true in the queries that need it',
    ),
  ],
  [
    'client_encoding',
    unless(
      (value) => /^utf-?8$/i.test(String(value)),
      'texts are read as UTF-8; leave it out, or make it "UTF8"',
    ),
  ],
  [
    'Promise',
    unless(
      (value) => value === globalThis.Promise,
      "promises are those of the language; leave it out, and wrap the pool's promises where another kind is needed",
    ),
  ],
])

/** Throws for an option that cannot be had; names it, its value and the way out. */
export function refuseOption(where: string, name: string, value: unknown): void {
  const why = REFUSALS.get(name)?.(value)
  if (why !== undefined) {
    throw new TypeError(`${where}: ${name} cannot be ${describeValue(value)}: ${why}`)
  }
}
