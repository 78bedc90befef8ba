import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { readDurations } from './tests/faults/fault-files.js'
import { multiplexPlugin } from './tests/support/multiplex/multiplex-switch.js'

/**
 * Files that take longest, longest first. One of them begun last would run while the other core has
 * nothing to do.
 */
const LONG = [
  'tests/conformance/conformance-',
  'tests/conformance/',
  'tests/login/',
  'tests/values/',
  'packages/testkit/test/integration/',
  'tests/failover/',
]

/** Seconds of the slow tier's files, over the slower driver. */
const SECONDS = Object.entries(readDurations()).map(
  ([file, seconds]) => [file, Math.max(...Object.values(seconds))] as const,
)

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const [, seconds] = SECONDS.find(([file]) => moduleId.endsWith(file)) ?? []
      if (seconds !== undefined) return -seconds
      const found = LONG.findIndex((part) => moduleId.includes(part))
      return found === -1 ? LONG.length : found
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

/**
 * Another copy of `pg` for everything that imports it: the folder that POOLHOUSE_TEST_PG names, as
 * scripts/test-on-oldest-pg.sh does.
 */
function otherPg(): Record<string, string> {
  const { POOLHOUSE_TEST_PG: folder } = process.env
  return folder === undefined ? {} : { pg: `${folder}/esm/index.mjs` }
}

export default defineConfig({
  plugins: [multiplexPlugin()],
  // Tests import workspace packages as TypeScript sources, so a run never needs a build.
  resolve: { alias: otherPg() },
  // Without `module`, which is for bundlers: Node.js cannot run what OpenTelemetry has there.
  ssr: {
    resolve: { conditions: ['@poolhouse/source', 'node', 'development|production'] },
  },
  test: {
    restoreMocks: true,
    // What never comes is known later; a busy machine takes its time.
    expect: { poll: { timeout: 20_000 } },
    sequence: { sequencer: LongestFirst },
    coverage: { provider: 'v8', include: ['packages/*/src/**'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'packages/*/test/{unit,simulation}/**/*.test.ts',
            'examples/*/test/**/*.test.ts',
            'sim/test/**/*.test.ts',
            'benchmarks/test/**/*.test.ts',
            'scripts/test/**/*.test.ts',
          ],
          // For those that compute: a busy machine may take ten times as long.
          testTimeout: 60_000,
          // They share nothing but modules: loading these anew for each file takes three times as
          // long as the tests.
          isolate: false,
          // vitest's own choice would leave one of two cores idle.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          globalSetup: 'tests/support/servers/shared-server-files.ts',
          include: ['packages/*/test/integration/**/*.test.ts', 'tests/**/*.test.ts'],
          exclude: [
            '**/node_modules/**',
            'tests/patroni/**',
            'tests/managers/**',
            'tests/soak/**',
            'tests/browser/**',
            'tests/**/*.faults.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // As many as cores: some assert what a server that gets no processor cannot do in time.
          // What they share is modules alone.
          maxWorkers: 2,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          // Servers that are killed, frozen and promoted, and the oldest version:
          // `pnpm test:faults`, not `pnpm test`.
          name: 'faults',
          globalSetup: 'tests/support/servers/shared-server-files.ts',
          include: ['tests/**/*.faults.test.ts'],
          exclude: ['**/node_modules/**'],
          // A busy machine may take five times as long.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          // Needs Chromium: `pnpm test:browser`, not `pnpm test`.
          name: 'browser',
          globalSetup: 'tests/support/servers/shared-server-files.ts',
          include: ['tests/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
      {
        extends: true,
        test: {
          // Minutes of real outages: `pnpm test:patroni` and `pnpm test:soak`, not `pnpm test`.
          name: 'soak',
          globalSetup: 'tests/support/servers/shared-server-files.ts',
          include: ['tests/patroni/**/*.test.ts', 'tests/soak/**/*.test.ts'],
          testTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          // Clusters under other managers than Patroni: `pnpm test:managers`, not `pnpm test`.
          name: 'managers',
          include: ['tests/managers/**/*.test.ts'],
          testTimeout: 120_000,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
})
