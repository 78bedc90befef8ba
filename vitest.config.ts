import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests import workspace packages as TypeScript sources, so a run never needs a build.
  ssr: {
    resolve: { conditions: ['@poolhouse/source', 'module', 'node', 'development|production'] },
  },
  test: {
    restoreMocks: true,
    coverage: { provider: 'v8', include: ['packages/*/src/**'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'packages/*/test/{unit,simulation}/**/*.test.ts',
            'examples/*/test/**/*.test.ts',
          ],
          // For those that compute: a busy machine may take ten times as long.
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['packages/*/test/integration/**/*.test.ts', 'tests/**/*.test.ts'],
          exclude: [
            '**/node_modules/**',
            'tests/patroni/**',
            'tests/soak/**',
            'tests/**/*.faults.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          // Servers that are killed, frozen and promoted: `pnpm test:faults`, not `pnpm test`.
          name: 'faults',
          include: ['tests/**/*.faults.test.ts'],
          exclude: ['**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          // Minutes of real outages: `pnpm test:patroni` and `pnpm test:soak`, not `pnpm test`.
          name: 'soak',
          include: ['tests/patroni/**/*.test.ts', 'tests/soak/**/*.test.ts'],
          testTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
