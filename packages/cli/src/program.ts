import { Argument, Command, Option } from 'commander'
import type { CommandContext } from './commands/command.js'
import { dashboard } from './commands/dashboard.js'
import { doctor } from './commands/doctor.js'
import { drill } from './commands/drill.js'
import { explainRoute } from './commands/explain-route.js'
import { FORMATS, init } from './commands/init.js'
import { metrics } from './commands/metrics.js'
import { ping } from './commands/ping.js'
import { schema } from './commands/schema.js'
import { top } from './commands/top.js'
import type { Outcome } from './outcome.js'
import { readCount, readDuration, readPort } from './target/read-values.js'

/** The options that every command has. */
export interface CommonOptions {
  /** Whether one JSON document is printed. */
  readonly json?: boolean
  /** Whether colours are wanted. */
  readonly color: boolean
  /** As `CommandContext.timeoutMs`. */
  readonly timeout: number
}

/** Runs a command with the common options. */
type Run = (work: (context: CommandContext) => Promise<Outcome> | Outcome) => Promise<void>

const SOURCES = `
Without URL and --config the databases are those of poolhouse.config.{ts,mts,cts,js,mjs,cjs,json} here,
and of the environment: DATABASE_URL, DATABASE_REPLICA_URLS, DATABASE_<NAME>_URL, PGHOST …`

const EXITS = `
Exit codes: 0 all is well · 1 a finding, or no answer · 2 wrong usage or configuration
`

/** Builds the commands. `run` gets the common options with each. */
export function makeProgram(version: string, run: Run): Command {
  const program = new Command('poolhouse')
    .description(
      'Looks at the PostgreSQL servers of an application: are they there, what are they, and what is wrong?',
    )
    .version(version)
    .option('--json', 'print one JSON document, whatever the exit code')
    .option('--no-color', 'no colours (also with NO_COLOR, and where the output is no terminal)')
    .addOption(
      new Option(
        '--timeout <time>',
        'longest time for each step that waits for a server: 500ms, 5s',
      )
        .default(5_000, '5s')
        .argParser((text) => readDuration('--timeout', text)),
    )
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXITS)
  const about = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .argument('[url]', 'postgres://user@host/database; several hosts are a cluster')
      .option('--config <file>', 'a configuration file')
      .addHelpText('after', SOURCES)

  about('ping', 'asks every server once: does it answer, what is it, how fast').action(
    (url, options) => run((context) => ping(context, { url, ...options })),
  )
  about('doctor', 'looks for what is wrong, and says what to do')
    .addOption(
      new Option('--processes <count>', 'how many processes the application has').argParser(
        (text) => readCount('--processes', text, 100_000),
      ),
    )
    .option('--strict', 'notes are findings too')
    .action((url, options) => run((context) => doctor(context, { url, ...options })))
  about('top', 'shows what the servers and their clients do, again and again')
    .addOption(
      new Option('--interval <time>', 'time between two looks')
        .default(1_000, '1s')
        .argParser((text) => readDuration('--interval', text)),
    )
    .addOption(
      new Option('--count <looks>', 'how many looks').argParser((text) =>
        readCount('--count', text, 1_000_000_000),
      ),
    )
    .action((url, { interval, ...options }) =>
      run((context) => top(context, { url, intervalMs: interval, ...options })),
    )
  const served = (name: string, description: string, port: Option): Command =>
    about(name, description)
      .addOption(new Option('--host <address>', 'address to listen on').default('127.0.0.1'))
      .addOption(port.argParser((text) => readPort('--port', text)))
  const port = (meaning: string): Option => new Option('--port <port>', meaning)
  served(
    'dashboard',
    'serves a page that shows the databases as they are, until Ctrl-C',
    port('port to listen on; 0 for any that is free').default(0),
  )
    .option('--token <token>', 'what a browser must show (default: POOLHOUSE_TOKEN)')
    .action((url, options) => run((context) => dashboard(context, { url, ...options })))
  served(
    'metrics',
    'prints what Prometheus would scrape; with --port it serves that, until Ctrl-C',
    port('port to listen on; 0 for any that is free'),
  ).action((url, options) => run((context) => metrics(context, { url, ...options })))
  program
    .command('explain-route')
    .description('says where a statement would go, and why; asks no server')
    .argument('<sql>', 'the statement; behind -- if it begins with a dash')
    .addOption(
      new Option('--classify <mode>', 'how its text is read')
        .choices(['conservative', 'optimistic', 'off'])
        .default('conservative'),
    )
    .addOption(
      new Option('--intent <intent>', 'what the call itself declares').choices(['read', 'write']),
    )
    .action((sql, options) => run((context) => explainRoute(context, sql, options)))
  program
    .command('drill')
    .description(
      'kills the primary of a throw-away cluster under load, and checks that no promise is broken',
    )
    .addOption(
      new Option('--replicas <count>', 'streaming replicas')
        .default(2)
        .argParser((text) => readCount('--replicas', text, 8)),
    )
    .action((options) => run((context) => drill(context, options)))
  program
    .command('init')
    .description('writes a configuration file here; never a password')
    .addArgument(new Argument('[url]', 'address of the database'))
    .addOption(new Option('--format <format>', 'kind of file').choices(FORMATS).default('json'))
    .option('--force', 'replace the file that is there')
    .action((url, options) => run((context) => init(context, { url, ...options })))
  program
    .command('schema')
    .description('prints the JSON Schema of a configuration file, for editors')
    .action(() => run(() => schema()))
  return program
}
