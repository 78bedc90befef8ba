import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'

/** How to run the drill. */
export interface DrillOptions {
  /** One JSON document on stdout instead of a view. */
  readonly json: boolean
  /** Lines instead of a picture. */
  readonly plain: boolean
  /** Drills one after the other, each on a fresh cluster; 1 to 100. */
  readonly rounds: number
}

const MOST_ROUNDS = 100
const USAGE_ERROR = 2

/**
 * Reads the command line. Ends the process after `--help` (0) and after an error (2), which
 * commander has explained by then.
 */
export function readOptions(args: readonly string[]): DrillOptions {
  // `pnpm demo -- --json` hands the dashes on, and commander would take all that follows for file
  // names.
  const [first, ...others] = args
  const own = first === '--' ? others : args
  const command = new Command('failover-drill')
    .description(
      'Boots a PostgreSQL primary with two replicas, kills the primary under load, and proves from the data that no acknowledged write is missing.',
    )
    .addOption(new Option('--json', 'print one JSON document at the end').conflicts('plain'))
    .option('--plain', 'print lines instead of a live view (default without a terminal)')
    .option('--rounds <count>', 'drills one after the other', readRounds, 1)
    .addHelpText(
      'after',
      '\nExit code: 0 every promise kept, 1 a promise broken or no cluster, 2 wrong options, 130 interrupted.',
    )
    .exitOverride()
  try {
    command.parse(own, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : USAGE_ERROR)
    throw error
  }
  const { json = false, plain = false, rounds } = command.opts<Partial<DrillOptions>>()
  return { json, plain, rounds: rounds ?? 1 }
}

function readRounds(text: string): number {
  const rounds = Number(text)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MOST_ROUNDS || text.trim() === '') {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${MOST_ROUNDS}.`)
  }
  return rounds
}
