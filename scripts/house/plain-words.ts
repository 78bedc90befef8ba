import type { TrackedFile } from './tracked-files.js'

/** Words that hide who is meant. A sentence names its subject, or the subject's role. */
const VAGUE = /\b(?:who(?:ever)|(?:no|some|any)body)\b/gi

/** The account of Unix under which root runs the servers of the tests, in quotes or a list. */
const NAME = 'nobody'
const ACCOUNT = new RegExp(`['"\`]${NAME}['"\`]|\\b${NAME}:`, 'g')

/** Where texts speak of that account: these files, and what is in these folders. */
const SPEAK_OF_THE_ACCOUNT = [
  'CONTRIBUTING.md',
  'docs/reference.md',
  'findings/',
  'packages/testkit/',
  'scripts/',
]

/** Where a text speaks of a person without saying which, as `path:line: word`. */
export function findVagueWords({ path, text }: TrackedFile): string[] {
  const isChecked = /\.(?:ts|mts|mjs|js|md|sh|json|ya?ml)$/.test(path) || !path.includes('.')
  if (!isChecked || path === 'pnpm-lock.yaml') return []
  const mayNameIt = SPEAK_OF_THE_ACCOUNT.some((place) => path.startsWith(place))
  return text.split(/\r?\n/).flatMap((line, index) => {
    const read = mayNameIt ? line.replaceAll(ACCOUNT, '') : line
    return [...read.matchAll(VAGUE)].map(([word]) => `${path}:${index + 1}: ${word}`)
  })
}
