import { execFileSync } from 'node:child_process'

/**
 * A number that differs from commit to commit, for what runs a part of the whole each time: the
 * environment variable POOLHOUSE_TEST_DRAW, by default the number of the commit.
 */
export const DRAW: number = Number(process.env['POOLHOUSE_TEST_DRAW'] ?? commitNumber())

function commitNumber(): number {
  try {
    return Number(execFileSync('git', ['rev-list', '--count', 'HEAD'], { encoding: 'utf8' }))
  } catch {
    // A copy without a history runs the same part every time.
    return 0
  }
}
