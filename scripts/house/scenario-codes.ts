import ts from 'typescript'
import type { TrackedFile } from './tracked-files.js'

/** `S15: …`, `F06, S56: …`, `S17–S26: …`, and a code alone in a table of cases. */
const AT_THE_START = /^([DFSTX]\d+(?:(?:, | and |–)[DFSTX]\d+)*): |^([FSTX]\d{2,3})$/
const CODE = /[DFSTX]\d+/g

/** Where titles stand: tests, and the conformance suites, which are cases with titles. */
const WITH_TITLES = /^(?!scripts\/)(?:.*\/)?(?:test|conformance|tests)\//

/** Codes of test titles that the page does not explain, and codes of the page that no title has. */
export function findScenarioGaps(sources: readonly TrackedFile[], page: string): string[] {
  const used = new Set(sources.filter(({ path }) => WITH_TITLES.test(path)).flatMap(codesOfTitles))
  const explained = [...page.matchAll(/^\| ([DFSTX]\d+) +\|/gm)].map(([, code]) => code!)
  const unexplained = [...used].filter((code) => !explained.includes(code))
  const unused = explained.filter((code) => !used.has(code))
  const twice = explained.filter((code, index) => explained.indexOf(code) !== index)
  return [
    ...unexplained.sort().map((code) => `${code} is in a title, and docs/scenarios.md has no line`),
    ...unused.map((code) => `${code} has a line in docs/scenarios.md, and no title has it`),
    ...twice.map((code) => `${code} has two lines in docs/scenarios.md`),
  ]
}

/** The codes at the start of a file's string literals. */
export function codesOfTitles({ path, text }: TrackedFile): string[] {
  if (!/['"`][DFSTX]\d/.test(text)) return []
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const codes: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node)) {
      const [, listed, alone] = AT_THE_START.exec(node.text) ?? []
      codes.push(...((listed ?? alone)?.match(CODE) ?? []))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return codes
}
