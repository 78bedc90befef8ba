import { relative, sep } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'
import { ROOT, recordDurations } from './fault-files.js'

/**
 * Records how long each file took, as soon as it has passed: `pnpm test:faults --measure` adds it
 * to vitest's reporters. A run that failed is not recorded, since it may have ended early.
 */
export default class DurationReporter implements Reporter {
  onTestModuleEnd(module: TestModule): void {
    if (!module.ok()) return
    const { prepareDuration, collectDuration, setupDuration, duration } = module.diagnostic()
    const ms = prepareDuration + collectDuration + setupDuration + duration
    recordDurations([
      {
        file: relative(ROOT, module.moduleId).split(sep).join('/'),
        driver: process.env['POOLHOUSE_TEST_DRIVER'],
        seconds: Math.ceil(ms / 1_000),
      },
    ])
  }
}
