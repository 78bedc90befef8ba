import { appendFileSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { type RunnerTask, type RunnerTestCase, type RunnerTestFile, TestRunner, vi } from 'vitest'
import { startTests } from 'vitest/internal/browser'
import { type JobMutant, type JobReport, readJob } from './job.js'

const { setImmediate, setInterval, clearInterval } = globalThis

/** Shared with the instrumented code, under the names that StrykerJS gives them. */
interface Switches {
  activeMutant?: string | undefined
  currentTestId?: string | undefined
  hitCount?: number | undefined
  hitLimit?: number | undefined
  mutantCoverage?: { static: Hits; perTest: Record<string, Hits> }
}

/** Mutant → how often the code around it ran. */
type Hits = Record<string, number>

type Suite = Parameters<TestRunner['onBeforeRunSuite']>[0]

/** What is known of the tests when no mutant is active. */
interface Reach {
  /** Outside of a test: while a module loads, or in a hook of a whole file. */
  readonly loading: Hits
  readonly tests: Record<string, Reached>
}

interface Reached {
  /** Milliseconds. */
  readonly took: number
  /** Milliseconds of processor time. */
  readonly cost: number
  readonly hits: Hits
}

interface Outcome {
  /** The first test that failed, by its name in its file. */
  readonly failed: string | undefined
  readonly hung: boolean
}

/** Stands for a test: what failed is the file or a hook of it. */
const FILE = '(the file)'
/** Stands for a test: a promise rejected that no test awaits. */
const STRAY = '(a stray rejection)'
/** What runs after its test has ended tells nothing. */
const BETWEEN = 'between tests'
/** Code that runs so much more often than without the mutant does not end. */
const LOOPS = 100
/** A test that has waited so long with nothing to do waits for ever. */
const IDLE_MS = 1_500
/** A unit test of another folder that takes so much processor time is left out. */
const DEAR_MS = 150
/** Most test files that are tried for what runs while a module loads. */
const MOST_AROUND = 15

/**
 * Runs the tests of a job again and again in one process, with one mutant after the other switched
 * on, until one test fails. That test must then pass without the mutant.
 *
 * A test hangs when its process has had nothing to do for long: a busy machine cannot cause that.
 */
export default class MutantRunner extends TestRunner {
  readonly #job = readJob()
  readonly #switches: Switches
  #reach: Reach = { loading: {}, tests: {} }
  #begun = false
  /** Names of tests to run; all if undefined. */
  #wanted: ReadonlySet<string> | undefined
  #judging = false
  #failed: string | undefined
  #hung = false
  #cpuBefore = process.cpuUsage()

  constructor(config: ConstructorParameters<typeof TestRunner>[0]) {
    super(config)
    const holder = globalThis as { __stryker__?: Switches }
    holder.__stryker__ ??= {}
    this.#switches = holder.__stryker__
    this.#switches.mutantCoverage = { static: {}, perTest: {} }
  }

  override async onAfterRunFiles(): Promise<void> {
    super.onAfterRunFiles()
    if (this.#begun) return
    this.#begun = true
    process.on('unhandledRejection', () => {
      // Without a mutant it is what an earlier one has left behind.
      if (this.#switches.activeMutant !== undefined) this.#failed ??= STRAY
    })
    this.#say({ pid: process.pid })
    // What the tests do is of no interest to vitest's own reports.
    this.onTaskUpdate = async () => {}
    this.onCollectStart = (file) => super.onCollectStart(file)
    this.onCollected = (files) => this.#select(files)
    await this.#learnReach()
    this.#judging = true
    for (const mutant of this.#job.mutants) {
      this.#say({ at: mutant.id })
      if (!(await this.#judge(mutant))) return
    }
    this.#say({ done: true })
  }

  onTaskUpdate?: () => Promise<void>
  onCollected?: (files: RunnerTestFile[]) => void

  override async importFile(path: string): Promise<unknown> {
    this.#switches.currentTestId = undefined
    // As a setup file: loaded anew each time, unlike the modules that it imports.
    return super.importFile(path, 'setup')
  }

  override async onBeforeRunSuite(suite: Suite): Promise<void> {
    await super.onBeforeRunSuite(suite)
    this.#switches.currentTestId = undefined
  }

  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    if (this.#judging && this.#failed !== undefined) test.mode = 'skip'
    await super.onBeforeRunTask(test)
  }

  override onBeforeTryTask(test: RunnerTestCase): void {
    if (this.#begun) {
      this.#touch()
      this.#switches.currentTestId = idOf(test)
      this.#cpuBefore = process.cpuUsage()
    }
    super.onBeforeTryTask(test)
  }

  override onAfterRunTask(test: RunnerTestCase): void {
    super.onAfterRunTask(test)
    this.#switches.currentTestId = BETWEEN
    if (!this.#begun) return
    if (test.result?.state === 'fail') this.#failed ??= nameOf(test)
    if (this.#judging) return
    if (test.result?.state === 'fail') this.#say({ leftOut: idOf(test) })
    if (test.result?.state !== 'pass') return
    const hits = this.#switches.mutantCoverage!.perTest[idOf(test)] ?? {}
    const { user, system } = process.cpuUsage(this.#cpuBefore)
    const cost = (user + system) / 1_000
    this.#reach.tests[idOf(test)] = { took: test.result.duration ?? 0, cost, hits }
  }

  async runTask(test: RunnerTestCase): Promise<void> {
    const run = TestRunner.getTestFn(test)
    if (!this.#judging) return run()
    const limit = IDLE_MS + 3 * (this.#reach.tests[idOf(test)]?.took ?? 0)
    const before = performance.eventLoopUtilization()
    let timer: ReturnType<typeof setInterval> | undefined
    const hangs = new Promise<never>((_resolve, reject) => {
      timer = setInterval(() => {
        if (performance.eventLoopUtilization(before).idle < limit) return
        this.#hung = true
        reject(new Error('hangs'))
      }, 100)
    })
    try {
      await Promise.race([run(), hangs])
    } finally {
      clearInterval(timer)
    }
  }

  async #learnReach(): Promise<void> {
    const { reach, learn, tests } = this.#job
    if (!learn) {
      this.#reach = JSON.parse(readFileSync(reach, 'utf8')) as Reach
      return
    }
    for (const file of tests) await this.#run(file, undefined)
    Object.assign(this.#reach.loading, this.#switches.mutantCoverage!.static)
    writeFileSync(`${reach}.new`, JSON.stringify(this.#reach))
    renameSync(`${reach}.new`, reach)
  }

  /** Returns whether the process may go on. */
  async #judge(mutant: JobMutant): Promise<boolean> {
    const { id, file, remembers } = mutant
    const reached = this.#testsThatReach(mutant)
    const loads = (this.#reach.loading[id] ?? 0) > 0
    if (reached.size === 0 && !loads) {
      this.#say({ id, status: 'unreached' })
      return true
    }
    if (remembers) vi.resetModules()
    const tests = nearestFirst(file, [...reached.keys()], this.#timeOf(reached))
    let answer: boolean | undefined
    for (const test of tests) {
      answer ??= await this.#try(mutant, test, reached.get(test)!, remembers)
    }
    const around = loads && answer === undefined ? this.#testsAround(file) : []
    if (around.length > 0) vi.resetModules()
    for (const test of around) answer ??= await this.#try(mutant, test, undefined, true)
    if (remembers || around.length > 0) vi.resetModules()
    if (answer === undefined) this.#say({ id, status: 'missed' })
    return answer ?? true
  }

  /** Undefined if the mutant is not noticed in this file; false if the process must end. */
  async #try(
    mutant: JobMutant,
    file: string,
    wanted: ReadonlySet<string> | undefined,
    renew: boolean,
  ): Promise<boolean | undefined> {
    const { id } = mutant
    const { failed, hung } = await this.#runWith(id, file, wanted)
    if (failed === undefined) return undefined
    const again = failed === FILE || failed === STRAY ? wanted : new Set([failed])
    if (renew) vi.resetModules()
    const check = await this.#run(file, again)
    if (check.failed === undefined) {
      this.#say({ id, status: hung ? 'hung' : 'noticed', by: `${file}#${failed}` })
      return true
    }
    if (!renew) {
      // An earlier mutant may have spoiled the modules, or this one has.
      vi.resetModules()
      return this.#try(mutant, file, wanted, true)
    }
    this.#say({ id, unsteady: `${file}#${check.failed}` })
    return false
  }

  async #runWith(
    id: string,
    file: string,
    wanted: ReadonlySet<string> | undefined,
  ): Promise<Outcome> {
    const once = (): Promise<Outcome> => {
      this.#switches.activeMutant = id
      this.#switches.hitCount = 0
      this.#switches.hitLimit = 10_000 + LOOPS * this.#hitsOf(id)
      return this.#run(file, wanted)
    }
    let outcome = await once()
    // One that an earlier mutant has left behind does not come twice.
    if (outcome.failed === STRAY) outcome = await once()
    this.#switches.activeMutant = undefined
    this.#switches.hitCount = undefined
    return outcome
  }

  async #run(file: string, wanted: ReadonlySet<string> | undefined): Promise<Outcome> {
    this.#failed = undefined
    this.#hung = false
    this.#wanted = wanted
    // What the packages share in a process, such as who has the only session of a server.
    for (const shared of Object.getOwnPropertySymbols(globalThis)) {
      if (shared.description?.startsWith('poolhouse')) Reflect.deleteProperty(globalThis, shared)
    }
    this.#touch()
    const [ran] = await startTests([resolve(file)], this)
    // A rejection that no test awaits shows a moment later.
    await new Promise((done) => setImmediate(done))
    if (ran === undefined || hasFailed(ran)) this.#failed ??= FILE
    return { failed: this.#failed, hung: this.#hung }
  }

  #select(files: RunnerTestFile[]): void {
    const { unsteady } = this.#job
    for (const test of files.flatMap(testsOf)) {
      if (this.#wanted?.has(nameOf(test)) === false || unsteady.includes(idOf(test))) {
        test.mode = 'skip'
      }
    }
  }

  #testsThatReach({ id, file }: JobMutant): Map<string, Set<string>> {
    const found = new Map<string, Set<string>>()
    for (const [test, { cost, hits }] of Object.entries(this.#reach.tests)) {
      if (!(id in hits)) continue
      const at = test.indexOf('#')
      const from = test.slice(0, at)
      if (cost > DEAR_MS && !sameFolder(from, file) && !from.includes('/simulation/')) continue
      found.set(from, (found.get(from) ?? new Set()).add(test.slice(at + 1)))
    }
    return found
  }

  /** Test files for what runs while the module loads: the nearest that reach anything in it. */
  #testsAround(file: string): string[] {
    const ids = this.#job.mutants.filter((other) => other.file === file).map(({ id }) => id)
    const near = new Set(this.#job.tests.filter((test) => sameFolder(test, file)))
    for (const [test, { hits }] of Object.entries(this.#reach.tests)) {
      if (ids.some((id) => id in hits)) near.add(test.slice(0, test.indexOf('#')))
    }
    return nearestFirst(file, [...near], () => 0).slice(0, MOST_AROUND)
  }

  #timeOf(reached: ReadonlyMap<string, ReadonlySet<string>>): (file: string) => number {
    return (file) =>
      [...reached.get(file)!].reduce(
        (sum, name) => sum + this.#reach.tests[`${file}#${name}`]!.took,
        0,
      )
  }

  #hitsOf(id: string): number {
    const perTest = Object.values(this.#reach.tests).map(({ hits }) => hits[id] ?? 0)
    return Math.max(this.#reach.loading[id] ?? 0, ...perTest)
  }

  #touch(): void {
    const now = new Date()
    utimesSync(this.#job.pulse, now, now)
  }

  #say(report: JobReport): void {
    appendFileSync(this.#job.log, `${JSON.stringify(report)}\n`)
  }
}

function idOf(test: RunnerTestCase): string {
  return `${test.file.name}#${nameOf(test)}`
}

function nameOf(test: RunnerTestCase): string {
  const names = [test.name]
  for (let { suite } = test; suite !== undefined; { suite } = suite) names.unshift(suite.name)
  return names.join(' > ')
}

function testsOf(task: RunnerTask): RunnerTestCase[] {
  return task.type === 'test' ? [task] : task.tasks.flatMap(testsOf)
}

function hasFailed(task: RunnerTask): boolean {
  return task.result?.state === 'fail' || (task.type === 'suite' && task.tasks.some(hasFailed))
}

/** The file's own tests, then those of its folder, then the rest; quick ones before slow ones. */
function nearestFirst(
  file: string,
  tests: readonly string[],
  timeOf: (test: string) => number,
): string[] {
  const rank = (test: string): number => {
    if (basename(test, '.test.ts').startsWith(basename(file, '.ts'))) return 0
    return sameFolder(test, file) ? 1 : 2
  }
  return [...tests].sort((a, b) => rank(a) - rank(b) || timeOf(a) - timeOf(b))
}

function sameFolder(test: string, file: string): boolean {
  return basename(dirname(test)) === basename(dirname(file))
}
