// @boundaries-ignore the settings of every package
import shared from '../../tsup.config.js'

// Makes the types alone; scripts/build/core.ts makes the JavaScript.
export default {
  ...(shared as object),
  entry: [
    'src/index.ts',
    'src/kit.ts',
    'src/net/index.ts',
    'src/sql/index.ts',
    'src/testing/index.ts',
    'src/types/index.ts',
  ],
  dts: { only: true, compilerOptions: { ignoreDeprecations: '6.0' } },
}
