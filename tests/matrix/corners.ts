import type { PgBouncerPoolMode } from '@poolhouse/testkit'
import type { Aspect } from './finding.js'
import type { CornerOptions, Ground } from './ground.js'
import { startProxied } from './patroni.js'
import { startPglite } from './pglite.js'
import { startBounced, startPgpooled } from './poolers.js'
import { POSTGRES_VERSIONS } from './programs.js'
import { startPostgres } from './servers.js'

/** A combination of servers, and of what stands before them, that the matrix runs. */
export interface Corner {
  /** Its name on the command line and in the results. */
  readonly name: string
  /** What it is, as the page says it. */
  readonly title: string
  /** What the pools are given beside the URL, as the page says it. */
  readonly given: string
  /** The Node.js to run it with. Default: the one that runs the matrix. */
  readonly node?: 22 | 24
  /** What is not asked here, with the reason. */
  readonly notRun?: Readonly<Partial<Record<Aspect, string>>>
  /** What is known not to hold here, and cannot be mended, with the reason. */
  readonly limits?: Readonly<Partial<Record<Aspect, string>>>
  start(): Promise<Ground>
}

const ALONE: readonly Corner[] = POSTGRES_VERSIONS.map((version) => ({
  name: `postgres-${version}`,
  title: `PostgreSQL ${version}`,
  given: '',
  start: () => startPostgres(version),
}))

const NODES: readonly Corner[] = ([22, 24] as const).map((node) => ({
  name: `node-${node}`,
  title: `PostgreSQL 18 from Node.js ${node}`,
  given: '',
  node,
  start: () => startPostgres(18),
}))

const NO_SESSION =
  'a driver promises what a server session of its own can do, which a connection does not have here; the rules for this are those of the pool'

const ONE_OF_A_KIND = "see the row with pooler: 'none': drivers do not know the option"

/** How a pool may be told of PgBouncer. */
const TOLD: Readonly<Record<'undeclared' | 'declared' | 'none', CornerOptions>> = {
  undeclared: {},
  declared: { pooler: 'pgbouncer' },
  none: { pooler: 'none' },
}

const BOUNCED: readonly Corner[] = (['session', 'transaction', 'statement'] as const).flatMap(
  (mode) =>
    (['undeclared', 'declared', ...(mode === 'session' ? (['none'] as const) : [])] as const).map(
      (told) => bounced(mode, told),
    ),
)

function bounced(mode: PgBouncerPoolMode, told: keyof typeof TOLD): Corner {
  const { pooler } = TOLD[told]
  return {
    name: `pgbouncer-${mode}-${told}`,
    title: `PgBouncer 1.18, ${mode} mode`,
    given: pooler === undefined ? '' : `pooler: '${pooler}'`,
    // Drivers know no pooler option, so one of a mode is enough.
    notRun:
      mode !== 'session'
        ? { driver: NO_SESSION }
        : told === 'none'
          ? {}
          : { driver: ONE_OF_A_KIND },
    start: () => startBounced(mode, TOLD[told]),
  }
}

const ONE_ADDRESS =
  'Pgpool-II is one address for all servers; withReplicas wants the addresses of the servers themselves, and one of the two may distribute the reads, not both'

const NOT_TO_ITS_END =
  'not to its end: the suites end sessions and cut connections on purpose, after some of which processes of Pgpool-II end and are not replaced, until none serves a client; its guide says what differed up to there. The other columns were asked one by one'

const PGPOOLED: readonly Corner[] = [false, true].flatMap((balanced) =>
  (['undeclared', 'none'] as const).map((told) => ({
    name: `pgpool${balanced ? '-balanced' : ''}-${told}`,
    title: `Pgpool-II 4.3, load balancing ${balanced ? 'on' : 'off'}`,
    given: told === 'none' ? "pooler: 'none'" : '',
    notRun: {
      driver: told === 'undeclared' ? ONE_OF_A_KIND : NOT_TO_ITS_END,
      pool: NOT_TO_ITS_END,
      replicas: ONE_ADDRESS,
    },
    start: () => startPgpooled(balanced, TOLD[told]),
  })),
)

const ONE_SERVER = 'PGlite is one server with one session, without replication'

const NO_LOG_IN =
  "the suites want a server that checks passwords and serves several sessions at a time; PGlite's socket server has one session and asks for no password"

const NO_COPY_IN =
  'COPY to the client works; the socket server of PGlite ends the session of a COPY from the client with "protocol synchronization was lost"'

const PGLITES: readonly Corner[] = (
  [
    ['pglite', {}, ''],
    ['pglite-alone', { max: 1, pooler: 'none' }, "max: 1, pooler: 'none'"],
  ] as const
).map(([name, options, given]) => ({
  name,
  title: "PGlite's socket server",
  given,
  notRun: {
    driver: NO_LOG_IN,
    pool: NO_LOG_IN,
    replicas: ONE_SERVER,
    failover: ONE_SERVER,
  },
  limits: { copy: NO_COPY_IN },
  start: () => startPglite(options),
}))

/** Every corner, in the order of the page. */
export const CORNERS: readonly Corner[] = [
  ...ALONE,
  ...NODES,
  ...BOUNCED,
  ...PGPOOLED,
  {
    name: 'haproxy-patroni',
    title: 'HAProxy in front of Patroni',
    given: '',
    start: startProxied,
  },
  ...PGLITES,
]

/** What nothing here can run, with the reason. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  'PgBouncer 1.21 and newer':
    'Debian 12 has 1.18, and npm has none. Prepared statements through PgBouncer (max_prepared_statements, from 1.21 on) are not used: a pool behind a pooler prepares nothing',
  Bun: 'no promise is made for it; engines asks for Node.js',
  Deno: 'no promise is made for it; engines asks for Node.js',
  Windows: 'test servers need Unix signals and sockets',
  macOS: 'the test servers support it, and no machine with it has run the matrix',
  'Amazon Aurora and RDS':
    'there is no server to be had outside Amazon; what its guide says is from its documentation',
}
