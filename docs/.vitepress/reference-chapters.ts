import { readFileSync } from 'node:fs'
import { anchorOf, anchorsOf } from './anchors.js'

/** A part of docs/reference.md that has a page of its own on the site. */
export interface Chapter {
  /** The last part of its address; `index` for what stands before the first one. */
  readonly slug: string
  /** Its heading. */
  readonly title: string
  /** Its Markdown, whose links lead to the pages of the site. */
  readonly text: string
}

const PAGE = new URL('../reference.md', import.meta.url)

/** Cuts the reference into pages that a person can read: one for each heading of level 1 and 2. */
export function readChapters(): Chapter[] {
  const parts = partsOf()
  const places = placesOf(parts)
  return parts.map(({ slug, title, text }) => ({
    slug,
    title,
    text: text
      .replaceAll(/\]\(#([^)]+)\)/g, (_all, anchor: string) => `](${addressOf(anchor, places)})`)
      .replaceAll(/\]\((?=[\w.]+\.md)/g, '](../'),
  }))
}

/** The address on the site of an anchor of docs/reference.md. */
export function referenceAddress(anchor: string): string {
  return addressOf(anchor, placesOf(partsOf()))
}

function addressOf(anchor: string, places: ReadonlyMap<string, string>): string {
  const slug = places.get(anchor)
  if (anchor === '' || slug === undefined) return '/reference/'
  const page = slug === 'index' ? '/reference/' : `/reference/${slug}`
  return slug === anchor ? page : `${page}#${anchor}`
}

function partsOf(): Chapter[] {
  const parts: { slug: string; title: string; lines: string[] }[] = []
  let isCode = false
  for (const line of readFileSync(PAGE, 'utf8').split('\n')) {
    if (line.startsWith('```')) isCode = !isCode
    const title = isCode ? undefined : /^##? (.*)$/.exec(line)?.[1]
    if (title !== undefined) {
      const slug = parts.length === 0 ? 'index' : anchorOf(title)
      parts.push({ slug, title, lines: [`# ${title}`] })
    } else if (parts.length > 0) {
      parts.at(-1)!.lines.push(isCode ? line : line.replace(/^###/, '##'))
    }
  }
  return parts.map(({ slug, title, lines }) => ({ slug, title, text: lines.join('\n') }))
}

function placesOf(parts: readonly Chapter[]): ReadonlyMap<string, string> {
  return new Map(
    parts.flatMap(({ slug, text }) => anchorsOf(text).map((anchor) => [anchor, slug] as const)),
  )
}
