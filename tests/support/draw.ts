import { commitNumber } from './commit-number.js'

/**
 * A number that differs from commit to commit, for tests that run a part of the whole each time:
 * the environment variable POOLHOUSE_TEST_DRAW. Default: the number of the commit, or 0 where git
 * does not know it, which runs the same part every time.
 */
export const DRAW: number = Number(process.env['POOLHOUSE_TEST_DRAW'] ?? commitNumber().number)
