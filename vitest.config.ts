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
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['packages/*/test/integration/**/*.test.ts', 'tests/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
