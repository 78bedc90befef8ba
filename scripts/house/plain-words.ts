import type { TrackedFile } from './tracked-files.js'

/** Words that hide who is meant. A sentence names its subject, or the subject's role. */
const VAGUE = /\b(?:who(?:ever)|(?:no|some|any)body)\b/gi

/** The account `nobody` of Unix, under which root runs the servers of the tests. */
const ACCOUNT = /[`'"]nobody[`'"]|\bnobody:\*/g

/** Files that speak of that account. */
const SPEAK_OF_THE_ACCOUNT = new Set([
  'CONTRIBUTING.md',
  'docs/reference.md',
  'findings/cursor-at-rest-is-active.sh',
  'findings/prepared-timestamptz-literal.sh',
  'findings/unlogged-table-on-a-standby.sh',
  'packages/testkit/README.md',
])

/** Where a text speaks of a person without saying which, as `path:line: word`. */
export function findVagueWords({ path, text }: TrackedFile): string[] {
  const isChecked = /\.(?:ts|mts|mjs|js|md|sh|json|ya?ml)$/.test(path) || !path.includes('.')
  if (!isChecked || path === 'pnpm-lock.yaml') return []
  return text.split(/\r?\n/).flatMap((line, index) => {
    const read = SPEAK_OF_THE_ACCOUNT.has(path) ? line.replaceAll(ACCOUNT, '') : line
    return [...read.matchAll(VAGUE)].map(([word]) => `${path}:${index + 1}: ${word}`)
  })
}
