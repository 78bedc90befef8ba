import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  // Entry points of one package share their code, so that an application that loads two has each
  // class once.
  splitting: true,
  clean: true,
  // `import.meta.url` must also work in the CommonJS build.
  shims: true,
  // tsup 8 injects `baseUrl` into its declaration build, which TypeScript 6 rejects (TS5101).
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
})
