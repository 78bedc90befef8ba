import { execFileSync } from 'node:child_process'

/** The number of the commit, and why it is not known. */
export interface CommitNumber {
  /** How many commits lead to this one, itself included; 0 if that is not known. */
  readonly number: number
  /** Why the number is not known. */
  readonly unknown?: string
}

/** In how many commits a step of `.ci/run` runs once. Those of every sixth share a turn. */
export const EVERY: Readonly<Record<'slowTier' | 'recipes' | 'matrix', number>> = {
  slowTier: 3,
  recipes: 6,
  matrix: 6,
}

/** Asks git for the number of the commit. A clone without its history has none. */
export function commitNumber(): CommitNumber {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    if (git('rev-parse', '--is-shallow-repository') === 'true') {
      return { number: 0, unknown: 'this is a shallow clone' }
    }
    return { number: Number(git('rev-list', '--count', 'HEAD')) }
  } catch {
    return { number: 0, unknown: 'git knows no commit here' }
  }
}

/** How often the turn of such a step has come, so that each time it runs another part. */
export function turnsSoFar(step: keyof typeof EVERY): number {
  return Math.floor(commitNumber().number / EVERY[step])
}
