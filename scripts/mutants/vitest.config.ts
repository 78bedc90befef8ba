import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import { readJob } from './job.js'

const sources = new Map(
  Object.entries(readJob().files).map(([name, text]) => [resolve(name), text]),
)

// A process that tests one mutant after the other: see `main.ts`.
export default defineConfig({
  plugins: [
    {
      name: 'mutants',
      enforce: 'pre',
      transform: (_code, id) => sources.get(id),
    },
  ],
  ssr: {
    resolve: { conditions: ['@poolhouse/source', 'module', 'node', 'development|production'] },
  },
  test: {
    include: ['scripts/mutants/entry.test.ts'],
    runner: 'scripts/mutants/mutant-runner.ts',
    restoreMocks: true,
    isolate: false,
    maxWorkers: 1,
    silent: true,
    testTimeout: 60_000,
    hookTimeout: 10_000,
  },
})
