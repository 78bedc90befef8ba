/**
 * Time that every byte spends on the line to the server beyond what it takes by itself, each way,
 * in milliseconds: the environment variable POOLHOUSE_TEST_LATENCY_MS, as `pnpm test:latency` sets
 * it. Default 0.
 */
export const ADDED_LATENCY_MS: number = Number(process.env['POOLHOUSE_TEST_LATENCY_MS'] ?? 0)
