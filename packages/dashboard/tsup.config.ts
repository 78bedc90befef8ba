import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defineConfig } from 'tsup'
// @boundaries-ignore the settings of every package
import shared from '../../tsup.config.js'
import { pageFiles } from './src/server/page-files.js'

/** What the page has in it of others, whose licences ask to be passed on. */
const BUNDLED = ['preact', 'htm', 'uplot']

export default defineConfig({
  ...(shared as object),
  esbuildPlugins: [
    {
      name: 'page',
      setup(build) {
        // The published package holds the page as it is sent.
        build.onLoad({ filter: /server\/page-files\.ts$/ }, async () => ({
          contents: `export const pageFiles = async () => (${JSON.stringify(await pageFiles())})`,
        }))
      },
    },
  ],
  async onSuccess() {
    const licences = await Promise.all(
      BUNDLED.map(async (name) => {
        const text = await readFile(join('node_modules', name, 'LICENSE'), 'utf8')
        return `${name}\n\n${text}`
      }),
    )
    await writeFile('dist/page-licences.txt', licences.join('\n\n'))
  },
})
