import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = join(ROOT, '.github/workflows')

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

interface Job {
  readonly needs?: string | readonly string[]
  readonly permissions?: Readonly<Record<string, string>>
  readonly steps: readonly Step[]
}

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>
  readonly jobs: Readonly<Record<string, Job>>
}

const workflows = readdirSync(FOLDER).map((name) => {
  const text = readFileSync(join(FOLDER, name), 'utf8')
  return { name, text, workflow: parse(text) as Workflow }
})

function rightsOf({ workflow }: (typeof workflows)[number], job: Job): Record<string, string> {
  return { ...(job.permissions ?? workflow.permissions) }
}

describe.each(workflows)('T38: the workflow $name', (each) => {
  const jobs = Object.entries(each.workflow.jobs)

  it('names every action by the hash of a commit, with its version beside it', () => {
    const uses = each.text.match(/^.*\buses:.*$/gm) ?? []
    expect(uses).not.toEqual([])
    for (const line of uses)
      expect(line).toMatch(/uses: [\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  it('gives no rights to write by default', () => {
    expect(each.workflow.permissions).toBeDefined()
    for (const right of Object.values(each.workflow.permissions!)) expect(right).toBe('read')
  })

  it('runs no code of dependencies where a token for npm can be had', () => {
    for (const [, job] of jobs) {
      if (rightsOf(each, job)['id-token'] !== 'write') continue
      expect(rightsOf(each, job)).toEqual({ 'id-token': 'write' })
      for (const { uses = '', run = '' } of job.steps) {
        expect(uses).not.toMatch(/checkout|changesets/)
        expect(run).not.toMatch(/\b(pnpm|npx|npm (ci|install|run|exec))\b/)
        if (run.includes('npm publish')) expect(run).toContain('--ignore-scripts')
      }
    }
  })

  it('holds no secret but the token of the job', () => {
    const secrets = [...each.text.matchAll(/secrets\.(\w+)/g)].map(([, name]) => name)
    expect(secrets.filter((name) => name !== 'GITHUB_TOKEN')).toEqual([])
  })
})

it('T38: exactly one job of all workflows can publish, and it takes what another job has built', () => {
  const publishing = workflows.flatMap((each) =>
    Object.entries(each.workflow.jobs).filter(([, job]) =>
      job.steps.some(({ run }) => run?.includes('npm publish')),
    ),
  )
  expect(publishing.map(([name, { needs }]) => ({ name, needs }))).toEqual([
    { name: 'publish', needs: 'build' },
  ])
})

it('T38: every package that is published has the licence in its folder', () => {
  const licence = readFileSync(join(ROOT, 'LICENSE'), 'utf8')
  for (const name of readdirSync(join(ROOT, 'packages'))) {
    expect(readFileSync(join(ROOT, 'packages', name, 'LICENSE'), 'utf8'), name).toBe(licence)
  }
})
