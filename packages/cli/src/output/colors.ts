import pc from 'picocolors'
import type { CliIo } from '../io.js'

/** Functions that colour a text, or return it as it is. */
export type Colors = ReturnType<typeof pc.createColors>

/** Colours for a terminal; none elsewhere, with `NO_COLOR`, and where `wanted` is false. */
export function colorsFor({ stdout, env }: Pick<CliIo, 'stdout' | 'env'>, wanted: boolean): Colors {
  return pc.createColors(
    wanted && stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb',
  )
}
