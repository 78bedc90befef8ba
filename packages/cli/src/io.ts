/** Where a command writes. A stream of Node.js fits. */
export interface CliOutput {
  /**
   * Writes a text.
   *
   * @example
   * process.stdout.write('all is well\n')
   */
  write(text: string): unknown
  /** Whether it is a terminal. Default: no. */
  readonly isTTY?: boolean | undefined
  /** Width of the terminal, in characters. */
  readonly columns?: number | undefined
  /** Height of the terminal, in lines. */
  readonly rows?: number | undefined
}

/**
 * What a run of the command line sees of its process.
 *
 * @example
 * const { stdout, stderr, env } = process
 * const signal = AbortSignal.timeout(60_000)
 * const exitCode = await runCli(['doctor'], { stdout, stderr, env, cwd: process.cwd(), signal })
 */
export interface CliIo {
  /** Gets the answer. */
  readonly stdout: CliOutput
  /** Gets what went wrong, unless `--json` was given. */
  readonly stderr: CliOutput
  /** Variables of the environment, in which databases are looked for. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The folder in which a configuration file is looked for. */
  readonly cwd: string
  /** Ends commands that go on, such as `top`. Default: never. */
  readonly signal?: AbortSignal | undefined
}

/** The process itself. */
export function processIo(signal?: AbortSignal): CliIo {
  const { stdout, stderr, env } = process
  return { stdout, stderr, env, cwd: process.cwd(), signal }
}
