import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path/posix'
import { fileURLToPath } from 'node:url'
import { referenceAddress } from './reference-chapters.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const REPOSITORY = 'https://github.com/poolhouse/poolhouse/blob/main/'
/** Pages of the repository that are not pages of the site. */
export const EXCLUDED: readonly string[] = [
  'README.md',
  'docs/reference.md',
  '.changeset/**',
  '**/CHANGELOG.md',
  '{findings,sim,scripts,tests}/**',
  'recipes/*/*.md',
  '**/{dist,coverage}/**',
]

/** The path on the site of a page of the repository. */
export function pathOnSite(page: string): string {
  return page
    .replace(/^docs\//, '')
    .replace(/^(.+)\/README\.md$/, '$1.md')
    .replace(/^([A-Z]+)\.md$/, (name) => name.toLowerCase())
}

/** What is used of Markdown-it. */
interface MarkdownIt {
  readonly core: { readonly ruler: { push(name: string, rule: (state: State) => void): void } }
}
interface State {
  readonly tokens: readonly Token[]
  readonly env: { readonly path?: string; readonly realPath?: string }
}
interface Token {
  readonly type: string
  readonly children: readonly Token[] | null
  attrGet(name: string): string | null
  attrSet(name: string, value: string): void
}

/**
 * Leads links between files of the repository to pages of the site, and those to what is no page,
 * such as sources, to the repository. So a page has the same links on GitHub and here.
 */
export function siteLinks(markdown: MarkdownIt): void {
  markdown.core.ruler.push('site-links', ({ tokens, env }) => {
    const page = relative(ROOT, env.realPath ?? env.path ?? ROOT)
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null
      if (href !== null && !/^(?:[a-z]+:|[#/])/.test(href)) {
        token.attrSet('href', addressOf(page, href))
      }
    }
  })
}

function addressOf(page: string, href: string): string {
  const [path = '', anchor = ''] = href.split('#')
  const target = join(dirname(page), path)
  const hash = anchor === '' ? '' : `#${anchor}`
  if (target === 'docs/reference.md') return referenceAddress(anchor)
  if (target === 'README.md') return `/${hash}`
  if (isPage(target)) return `/${pathOnSite(target).replace(/(?:index)?\.md$/, '')}${hash}`
  // A folder, such as a package, may have a page.
  const readme = join(target, 'README.md')
  if (isPage(readme) && existsSync(join(ROOT, readme))) {
    return `/${pathOnSite(readme).replace(/\.md$/, '')}${hash}`
  }
  return `${REPOSITORY}${target}${hash}`
}

function isPage(target: string): boolean {
  return (
    target.endsWith('.md') &&
    !/^(?:\.changeset|findings|sim|scripts|tests|recipes\/.*)\//.test(target)
  )
}
