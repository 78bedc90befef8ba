import { type BuildOptions, build } from 'esbuild'

/** How a function is bundled. */
export type Format = 'cjs' | 'esm'

const SHARED: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['pg-native'], // optional, and never needed
}

const OPTIONS: Readonly<Record<Format, BuildOptions>> = {
  cjs: { ...SHARED, format: 'cjs' },
  esm: {
    ...SHARED,
    format: 'esm',
    // pg is CommonJS and calls `require`, which an ES module does not have.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url)",
    },
  },
}

/** Makes one file of a function and all that it imports. */
export async function bundle(name: string, format: Format, outfile: string): Promise<void> {
  const contents = `import { handler } from './${name}.js'
    import { serve } from './serve.js'
    serve(handler)`
  const stdin = { contents, resolveDir: import.meta.dirname }
  await build({ ...OPTIONS[format], stdin, outfile })
}
