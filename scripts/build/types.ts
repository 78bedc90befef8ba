// Halves the declarations that tsup has made: those of ES modules say what those of CommonJS say.
// Run in the folder of a package, after tsup. An argument names a library whose types the
// application may leave out, such as `pg`.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const optional = process.argv.slice(2)
const manifest = readFileSync('package.json', 'utf8')
const files = readdirSync('dist', { recursive: true, encoding: 'utf8' }).map((path) =>
  join('dist', path),
)

const isEntry = (path: string): boolean => manifest.includes(`"./${path}"`)
const declarations = files.filter((each) => each.endsWith('.d.ts'))
const entries = declarations.filter(isEntry)
const twinOf = (path: string): string => path.replace(/\.d\.ts$/, '.d.cts')
const twinned = entries.filter((path) => isEntry(twinOf(path)))
for (const path of twinned)
  writeFileSync(path, `export * from './${basename(path, '.d.ts')}.cjs'\n`)
// Parts that entries share: those of CommonJS have their own.
if (twinned.length === entries.length) {
  for (const path of declarations) if (!entries.includes(path)) rmSync(path)
}

for (const path of files.filter((each) => each.endsWith('.d.cts'))) {
  let text = readFileSync(path, 'utf8')
  for (const library of optional) {
    // Where its types are not installed, what has them is `any`.
    text = text.replaceAll(
      new RegExp(`^import .* from '${library}';$`, 'gm'),
      (line) => `// @ts-ignore\n${line}`,
    )
  }
  writeFileSync(path, text)
}
