import type { KnownDifference } from './conformance.js'

const OTHER_PROCESS =
  'the case finds or ends its session by a process id of the server, which a pooler replaces by its own, or gives to the next connection'
const STARTUP =
  'needs run-time parameters at start-up, which PgBouncer refuses (`ignore_startup_parameters`), with a `ConnectError` that says so'
const OWN_WORDS =
  'the pooler reports it in its own words, all with SQLSTATE 08P01, instead of those of the server'
const NOT_IN_THE_TEXT =
  'the change is hidden in the body of a DO block: it stays in the server session, and other borrowers meet it, as the guide says'
const NO_TRANSACTIONS =
  'runs a transaction, which PgBouncer refuses in statement mode, with a `ConnectionLostError` that says so; set `pool_mode = transaction`'

/** Why the cases of a corner are known to differ, by the name of the corner. */
const KNOWN: readonly (KnownDifference & { readonly corner: RegExp })[] = [
  { corner: /^pgbouncer/, error: /unsupported startup parameter/, reason: STARTUP },
  {
    corner: /^pgbouncer-(?!session-none)/,
    suite: 'pool',
    cases:
      /^(?:F18, F41: a call whose answer|a lease that is destroyed|F09: the signal of a lease|F09: idle connections)/,
    reason: OTHER_PROCESS,
  },
  {
    corner: /^pgbouncer-(?!session-none)/,
    suite: 'pool',
    cases: /does not show (?:a setting changed inside DO|an open transaction)/,
    reason: NOT_IN_THE_TEXT,
  },
  {
    corner: /^pgbouncer-statement/,
    suite: 'pool',
    error: /transaction blocks not allowed in statement pooling mode/,
    reason: NO_TRANSACTIONS,
  },
  // What a case makes of the refusal.
  {
    corner: /^pgbouncer-statement/,
    suite: 'pool',
    cases: /^(?:transactions|retry|batches)$/,
    reason: NO_TRANSACTIONS,
  },
  {
    corner: /^pgbouncer-session-none/,
    suite: 'pool',
    cases:
      /^(?:F18, F41: a call whose answer|a lease that is destroyed|F09: the signal of a lease)/,
    reason: OTHER_PROCESS,
  },
  {
    corner: /^pgbouncer-session-none/,
    error: /- {3}application_name: 'conformance/,
    reason:
      'after a reset on release `application_name` is empty, because PgBouncer sets it in the server session as a SET would; nothing else stays behind',
  },
  {
    corner: /^(?:pgbouncer|pgpool)/,
    suite: 'driver',
    error:
      /in vain for (?:".*" to run|the session to sleep|the server process to end)|(?:the end of the sessions?|write|the case) took longer than/s,
    reason: OTHER_PROCESS,
  },
  {
    corner: /^pgbouncer/,
    suite: 'driver',
    cases:
      /knows the address of its peer|a Unix socket is found|close lets the statement that runs/,
    reason:
      'the address, the process and the Unix socket are those of PgBouncer, and it closes the connection of a client that says good-bye at once, also under a statement',
  },
  {
    corner: /^haproxy/,
    suite: 'driver',
    cases: /a Unix socket is found/,
    reason: 'HAProxy listens on TCP alone here',
  },
  { corner: /^pgbouncer/, suite: 'driver', error: /is not as expected.*08P01/s, reason: OWN_WORDS },
]

/** Those of a corner. */
export function knownDifferences(corner: string): readonly KnownDifference[] {
  return KNOWN.filter((each) => each.corner.test(corner))
}
