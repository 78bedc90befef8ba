import { dirname, join } from 'node:path'
import { runCommand } from '../../machine/run-command.js'
import { debianPackage } from '../debian/debian-package.js'
import { type ProgramParts, RunningProgram, startProgram } from '../start-program.js'

const PACKAGE = { name: 'prometheus', binary: 'usr/bin/prometheus' } as const

/**
 * What a Prometheus scrapes.
 *
 * @example
 * await using prometheus = await startPrometheus({ ports: [9464], scrapeMs: 200 })
 */
export interface PrometheusOptions {
  /** Ports of 127.0.0.1 that answer `/metrics`. */
  readonly ports: readonly number[]
  /** How often, in milliseconds. Default 500. */
  readonly scrapeMs?: number | undefined
}

/** One sample of an answer. */
export interface PrometheusSample {
  /** The labels, with the name of the metric as `__name__`. */
  readonly labels: Readonly<Record<string, string>>
  /** The value; `NaN` where there is none. */
  readonly value: number
}

/** A running Prometheus. */
export interface Prometheus extends AsyncDisposable {
  /** TCP port on 127.0.0.1. */
  readonly port: number
  /**
   * Evaluates an expression now. Throws with what Prometheus says about a wrong one.
   *
   * @example
   * await using prometheus = await startPrometheus({ ports: [9464] })
   * const [sample] = await prometheus.query('up')
   */
  query(expression: string): Promise<readonly PrometheusSample[]>
  /**
   * Ends it and removes its files. May be called more than once.
   *
   * @example
   * const prometheus = await startPrometheus({ ports: [9464] })
   * await prometheus.stop()
   */
  stop(): Promise<void>
}

/**
 * Starts a real Prometheus on a free port of 127.0.0.1, which scrapes these ports; resolves when it
 * answers. The program is the system's, or comes from Debian's package without being installed.
 *
 * @example
 * await using prometheus = await startPrometheus({ ports: [9464] })
 */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const parts = await startProgram({
    ...PACKAGE,
    arguments: (port) => [
      '--config.file=prometheus.yml',
      '--storage.tsdb.path=data',
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    files: () => ({ 'prometheus.yml': configurationText(options) }),
    isReady: (log) => log.includes('Server is ready to receive web requests'),
    portTaken: /address already in use/,
  })
  return new RunningPrometheus(parts)
}

/**
 * Has `promtool` check a file of alert rules. Rejects with what it says about a wrong one.
 *
 * @example
 * await checkRules('docs/observability/alerts.yml')
 */
export async function checkRules(path: string): Promise<string> {
  return await promtool('check', 'rules', path)
}

/**
 * Has `promtool` run a file of unit tests for alert rules. Rejects with what it says about those
 * that fail.
 *
 * @example
 * await testRules('docs/observability/alerts.test.yml')
 */
export async function testRules(path: string): Promise<string> {
  return await promtool('test', 'rules', path)
}

async function promtool(...words: readonly string[]): Promise<string> {
  const { binary } = await debianPackage(PACKAGE.name, PACKAGE)
  const tool = join(dirname(binary), 'promtool')
  return await runCommand(tool, words, { cwd: '/', user: undefined })
}

function configurationText({ ports, scrapeMs = 500 }: PrometheusOptions): string {
  const targets = ports.map((port) => `"127.0.0.1:${port}"`).join(', ')
  return [
    `global: { scrape_interval: ${scrapeMs}ms, scrape_timeout: ${scrapeMs}ms }`,
    'scrape_configs:',
    '  - job_name: poolhouse',
    `    static_configs: [{ targets: [${targets}] }]`,
    '',
  ].join('\n')
}

class RunningPrometheus extends RunningProgram implements Prometheus {
  constructor(parts: ProgramParts) {
    super(parts)
  }

  async query(expression: string): Promise<readonly PrometheusSample[]> {
    const url = `http://${this.host}:${this.port}/api/v1/query?query=${encodeURIComponent(expression)}`
    const answer = (await (await fetch(url)).json()) as {
      readonly error?: string
      readonly data?: {
        readonly result: readonly { metric: Record<string, string>; value: [number, string] }[]
      }
    }
    if (answer.data === undefined) throw new Error(`${expression}: ${answer.error}`)
    return answer.data.result.map(({ metric, value: [, value] }) => ({
      labels: metric,
      value: Number(value),
    }))
  }
}
