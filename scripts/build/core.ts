// Builds the JavaScript of @poolhouse/core: all of its entries as one file, dist/core.cjs, and thin
// files for ES modules and CommonJS around it. So an application that loads both has each class
// once, and the package is half the size. Run in packages/core, after tsup has made the types.
//
// dist/core.cjs is a function of what it needs of its host, so that a bundler which makes an ES
// module of it meets no `require`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, relative } from 'node:path'

/** What is used of esbuild, in the version that tsup brings. */
interface Esbuild {
  build(options: object): Promise<{
    readonly outputFiles: readonly { readonly contents: Uint8Array }[]
    readonly metafile: {
      readonly inputs: Readonly<
        Record<string, { readonly imports: readonly { readonly path: string }[] }>
      >
    }
  }>
}

interface Manifest {
  readonly exports: Readonly<
    Record<string, string | { readonly '@poolhouse/source': string; readonly require: Files }>
  >
}

interface Files {
  readonly default: string
}

const tsup = createRequire(import.meta.url).resolve('tsup')
const { build } = createRequire(tsup)('esbuild') as Esbuild
const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
const entries = Object.values(exports).flatMap((entry) =>
  typeof entry === 'string'
    ? []
    : [{ source: entry['@poolhouse/source'], cjs: entry.require.default }],
)

const { outputFiles, metafile } = await build({
  stdin: {
    contents: entries.map(({ source }, at) => `export * as e${at} from '${source}'`).join('\n'),
    resolveDir: '.',
    loader: 'ts',
  },
  bundle: true,
  write: false,
  metafile: true,
  outfile: 'dist/core.cjs',
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  // Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  define: { 'import.meta.url': '__url' },
  banner: { js: '"use strict";module.exports=(require,__url)=>{const module={exports:{}};' },
  footer: { js: 'return module.exports};' },
})
const [bundle] = outputFiles
writeFileSync('dist/core.cjs', bundle!.contents)

const builtins = [
  ...new Set(
    Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path }) => path)),
  ),
]
  .filter((path) => path.startsWith('node:'))
  .sort()

// One of both kinds of modules makes it, and the other takes what was made.
writeFileSync(
  'dist/made.cjs',
  `const make = require('./core.cjs')
const builtins = { ${builtins.map((name) => `'${name}': require('${name}')`).join(', ')} }
module.exports = make.made ??= make(
  (name) => builtins[name],
  require('node:url').pathToFileURL(__filename).href,
)
`,
)
writeFileSync(
  'dist/made.js',
  `import make from './core.cjs'
${builtins.map((name, at) => `import * as b${at} from '${name}'`).join('\n')}
const builtins = { ${builtins.map((name, at) => `'${name}': b${at}`).join(', ')} }
export default make.made ??= make((name) => builtins[name], import.meta.url)
`,
)
const made = createRequire(import.meta.url)(`${process.cwd()}/dist/made.cjs`) as Record<
  string,
  Record<string, unknown>
>
for (const [at, { cjs }] of entries.entries()) {
  const folder = dirname(cjs)
  mkdirSync(folder, { recursive: true })
  const way = relative(folder, 'dist') || '.'
  const names = Object.keys(made[`e${at}`]!)
  writeFileSync(cjs, `module.exports = require('${way}/made.cjs').e${at}\n`)
  writeFileSync(
    cjs.replace('.cjs', '.js'),
    `import made from '${way}/made.js'\nexport const { ${names.join(', ')} } = made.e${at}\n`,
  )
}
