import { defineConfig } from 'vitest/config'

// A simulation of this many schedules finds what one of 2,000 finds, nearly always.
process.env['POOLHOUSE_SIM_RUNS'] ??= '150'

// Unit tests and simulations alone: a mutant must be found within seconds, and no server is needed.
export default defineConfig({
  ssr: {
    resolve: { conditions: ['@poolhouse/source', 'module', 'node', 'development|production'] },
  },
  test: {
    restoreMocks: true,
    include: (process.env['POOLHOUSE_MUTANTS_TESTS'] ?? 'packages/*/test')
      .split(',')
      .flatMap((folder) =>
        /\/(?:unit|simulation)$/.test(folder)
          ? [`${folder}/**/*.test.ts`]
          : [`${folder}/{unit,simulation}/**/*.test.ts`],
      ),
    testTimeout: 60_000,
    // Loading modules anew for each file would take longer than the tests.
    isolate: false,
  },
})
