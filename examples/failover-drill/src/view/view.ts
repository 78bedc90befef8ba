import type { RoundReport } from '../report.js'
import type { Entry, Scoreboard } from '../scoreboard.js'

/** Shows a drill while it runs, and what came of it. */
export interface View {
  /** A round begins: shows this board from now on. */
  begin(board: Scoreboard): void
  /** A new sentence of the time line. */
  tell(entry: Entry): void
  /** Something about the program itself, for example that it is being stopped. */
  notice(text: string): void
  /** The round has ended, well or not: leaves the screen as a shell expects it. */
  end(): void
  /** Every round has been run. */
  finish(reports: readonly RoundReport[]): void
}
