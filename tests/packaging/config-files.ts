import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exec, twoAtATime } from './packed-project.js'

const ENDINGS = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'json'] as const
const URL = 'postgres://app@localhost/app'
const PROGRAM =
  'loadConfig({ env: false }).then(({ databases }) => console.log(databases.app.primary))'
const READERS = {
  'reader.mjs': `import { loadConfig } from '@poolhouse/manager'\n${PROGRAM}`,
  'reader.cjs': `const { loadConfig } = require('@poolhouse/manager')\n${PROGRAM}`,
} as const

/**
 * T80: every kind of configuration file is read from an ES module and from CommonJS, in a package
 * of either type. Returns how many ways were tried; throws at the first that fails.
 */
export async function tryConfigFiles(project: string): Promise<number> {
  let tried = 0
  const kinds = (['module', 'commonjs'] as const).flatMap((type) =>
    ENDINGS.map((ending) => ({ type, ending })),
  )
  await twoAtATime(kinds, async ({ type, ending }) => {
    const folder = join(project, `config-${type}-${ending}`)
    await mkdir(folder)
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type }))
    await writeFile(join(folder, `poolhouse.config.${ending}`), textOf(ending, type))
    for (const [reader, program] of Object.entries(READERS)) {
      await writeFile(join(folder, reader), program)
      // Node.js 20 reads TypeScript with a loader only.
      const flags = ending.endsWith('ts') ? ['--import', 'tsx'] : []
      const printed = await exec(process.execPath, [...flags, reader], folder)
      if (printed.trim() !== URL) {
        throw new Error(`${reader} in a package of type ${type}, ${ending}: printed ${printed}`)
      }
      tried++
    }
  })
  return tried
}

function textOf(ending: (typeof ENDINGS)[number], type: 'module' | 'commonjs'): string {
  const config = JSON.stringify({ databases: { app: { primary: URL } } })
  if (ending === 'json') return config
  const text = ending.endsWith('ts') ? `${config} satisfies object` : config
  // TypeScript is written as a module everywhere.
  const isModule =
    ending.endsWith('ts') || ending === 'mjs' || (ending === 'js' && type === 'module')
  return isModule ? `export default ${text}` : `module.exports = ${text}`
}
