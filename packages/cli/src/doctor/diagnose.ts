import { DatabaseError, isPoolhouseError } from '@poolhouse/core'
import { messageOf, printable } from '@poolhouse/core/kit'
import type { CliIo } from '../io.js'
import { UsageError } from '../outcome.js'
import { ServerLine } from '../server/server-line.js'
import { askState } from '../server/server-state.js'
import { findTarget, type TargetChoice } from '../target/find-target.js'
import type { Target, TargetDatabase, TargetServer } from '../target/target.js'
import { checkCapacity, type ExaminedDatabase } from './check-capacity.js'
import { checkCertificates, lookAtCertificates } from './check-certificate.js'
import { checkLag } from './check-lag.js'
import { checkFile, checkProject } from './check-project.js'
import { checkRoles } from './check-roles.js'
import { checkServer } from './check-server.js'
import { isAboutDates, reportFailure } from './connect-failure.js'
import type { ExaminedServer } from './examined-server.js'
import type { Finding, Report, Severity } from './finding.js'
import { askDetails, type ServerDetails } from './server-details.js'

/**
 * What `diagnose` looks at.
 *
 * @example
 * await diagnose({
 *   config: 'config/databases.json',
 *   cwd: 'services/orders',
 *   env: process.env,
 *   processes: 4,
 *   timeoutMs: 2_000,
 *   signal: AbortSignal.timeout(30_000),
 * })
 */
export interface DiagnoseOptions extends TargetChoice {
  /**
   * The folder of the project: of its packages and its configuration. Default: the working
   * directory.
   */
  readonly cwd?: string | undefined
  /** Variables of the environment. Default: those of the process. */
  readonly env?: CliIo['env'] | undefined
  /** How many processes the application has, an integer. Default: `budget.instances`, or 1. */
  readonly processes?: number | undefined
  /**
   * Longest time for each server to connect, and for each of its answers, in milliseconds. Default
   * 5 000.
   */
  readonly timeoutMs?: number | undefined
  /** Gives it up. Default: never. */
  readonly signal?: AbortSignal | undefined
}

/** What was found. */
export interface Diagnosis {
  /** Whether there are neither errors nor warnings. */
  readonly ok: boolean
  /** Errors and warnings, errors first. */
  readonly findings: readonly Finding[]
  /** What is worth knowing, and no finding. */
  readonly notes: readonly Finding[]
  /** The servers, in the order of the configuration. Holds no secrets. */
  readonly servers: readonly DiagnosedServer[]
}

/** One server, as it was seen. */
export interface DiagnosedServer {
  /** The database of the configuration. */
  readonly database: string
  /** `host:port/database`. */
  readonly server: string
  /** Its role; undefined if it did not answer. */
  readonly role: string | undefined
  /** Version of PostgreSQL. */
  readonly version: string | undefined
  /** Its timeline, if it says. */
  readonly timeline: number | undefined
  /** How long the connection took to open, in milliseconds. */
  readonly connectMs: number | undefined
  /** How long an answer took, in milliseconds. */
  readonly answerMs: number | undefined
  /** How many connections this role may have there. */
  readonly connections: number | undefined
}

const TIMEOUT_MS = 5_000
const NEVER = new AbortController().signal
const ORDER: readonly Severity[] = ['error', 'warning', 'note']

/**
 * Examines the project, its configuration, and each of its servers over one connection, which only
 * reads. Whatever is wrong becomes a finding, a wrong configuration too; rejects with `UsageError`
 * if there is no database to look at, and with `AbortError`.
 *
 * @example
 * const { ok, findings } = await diagnose({ url: 'postgres://app@a,b/shop' })
 * for (const { severity, message, advice } of findings) console.log(severity, message, advice)
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const { cwd = process.cwd(), env = process.env, signal = NEVER } = options
  const all: Finding[] = []
  const about =
    (database?: string, server?: string): Report =>
    (severity, check, message, advice) =>
      all.push({
        severity,
        check,
        ...(database && { database }),
        ...(server && { server }),
        message,
        advice,
      })
  await checkProject(cwd, about())
  const target = await read(options, { cwd, env }, about())
  const databases: ExaminedDatabase[] = []
  if (target !== undefined) {
    checkFile(target, about())
    const examined = target.databases.map((database) =>
      examine(database, { timeoutMs: options.timeoutMs ?? TIMEOUT_MS, signal }, (server) =>
        about(database.name, server),
      ),
    )
    databases.push(...(await Promise.all(examined)))
    try {
      for (const { database, servers } of databases) {
        const aboutServer = (server?: string): Report => about(database.name, server)
        checkRoles(database, servers, aboutServer)
        await checkLag(database, servers, aboutServer)
      }
    } finally {
      const lines = databases.flatMap(({ servers }) => servers.flatMap(({ line = [] }) => line))
      await Promise.all(lines.map((line) => line.close()))
    }
    const { budget } = target.config
    const instances = typeof budget.instances === 'number' ? budget.instances : 1
    const demand = { budget, processes: options.processes ?? instances }
    checkCapacity(databases, demand, (server) => about(undefined, server))
  }
  return summary(all, databases)
}

async function read(
  choice: TargetChoice,
  io: Pick<CliIo, 'cwd' | 'env'>,
  report: Report,
): Promise<Target | undefined> {
  try {
    return await findTarget(choice, io)
  } catch (error) {
    // What the arguments are is for the caller to mend, not a finding.
    if (error instanceof UsageError || !isPoolhouseError(error)) throw error
    report(
      'error',
      'config',
      error.message,
      'correct the configuration; `poolhouse schema` prints its JSON Schema for editors',
    )
    return undefined
  }
}

interface ExamineOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

async function examine(
  database: TargetDatabase,
  options: ExamineOptions,
  about: (server?: string) => Report,
): Promise<ExaminedDatabase> {
  let listed: readonly TargetServer[]
  try {
    const { signal, timeoutMs } = options
    listed = await database.servers(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))
  } catch (error) {
    about()(
      'error',
      'discovery',
      messageOf(error),
      'look whether the discovery answers from this machine',
    )
    return { database, servers: [] }
  }
  const servers = listed.map((server) =>
    examineServer(database, server, options, about(server.endpoint)),
  )
  return { database, servers: await Promise.all(servers) }
}

async function examineServer(
  database: TargetDatabase,
  server: TargetServer,
  options: ExamineOptions,
  report: Report,
): Promise<ExaminedServer> {
  const nothing = { server, state: undefined, details: undefined, line: undefined }
  const certificates = lookAtCertificates(server, options)
  let line: ServerLine
  try {
    line = await ServerLine.open(server, { ...options, pool: database.options.pool })
  } catch (error) {
    const shown = await certificates
    options.signal.throwIfAborted()
    const hasBad = checkCertificates(shown, report)
    if (!hasBad || !isAboutDates(error)) reportFailure(error, report)
    return nothing
  }
  try {
    checkCertificates(await certificates, report)
    const state = await askState(line)
    const details = await detailsOf(line, report)
    if (details !== undefined) checkServer(database, server, line, state, details, report)
    return { server, state, details, line }
  } catch (error) {
    await line.close()
    options.signal.throwIfAborted()
    report(
      'error',
      'network',
      `it let us in and then failed: ${printable(messageOf(error))}`,
      'look at the log of the server',
    )
    return nothing
  }
}

/**
 * What the role may do; undefined where the server refuses to tell, as services that hide catalogs
 * do.
 */
async function detailsOf(line: ServerLine, report: Report): Promise<ServerDetails | undefined> {
  try {
    return await askDetails(line)
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    report(
      'note',
      'grants',
      `the server does not tell its limits, settings and standbys: ${printable(error.message)}`,
      'let the role read the catalogs, if they are there; these checks are left out',
    )
    return undefined
  }
}

function summary(all: readonly Finding[], databases: readonly ExaminedDatabase[]): Diagnosis {
  const sorted = ORDER.flatMap((severity) => all.filter((one) => one.severity === severity))
  const findings = sorted.filter(({ severity }) => severity !== 'note')
  return {
    ok: findings.length === 0,
    findings,
    notes: sorted.filter(({ severity }) => severity === 'note'),
    servers: databases.flatMap(({ database, servers }) =>
      servers.map(({ server, state, details, line }) => ({
        database: database.name,
        server: server.endpoint,
        role: state?.role,
        version: state?.version,
        timeline: state?.timeline,
        connectMs: line?.connectMs,
        answerMs: state?.answerMs,
        connections: details?.available,
      })),
    ),
  }
}
