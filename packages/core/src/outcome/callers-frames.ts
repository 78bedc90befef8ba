// Where this file was loaded from tells which frames are ours: those of the packages beside core.
const OUR_PACKAGES = packagesOf(stackHere())
const INSTALLED = /\/node_modules\/@poolhouse\/[^/]+\/(?:src|dist)\//
const NO_CODE = /\(<anonymous>\)$|\bnode:internal\//

/**
 * The frames of a stack from the first that is the caller's on: those of Poolhouse and of Node.js
 * above it are left out, and so is the line above all frames. All frames where none is a caller's,
 * and in a bundle, where no name of a file tells whose a frame is.
 */
export function callersFrames(stack: string): string {
  const frames = stack.split('\n').filter((line) => /^ +at /.test(line))
  const first = frames.findIndex((frame) => !isOurs(frame))
  return frames.slice(Math.max(0, first)).join('\n')
}

function isOurs(frame: string): boolean {
  const path = slashed(frame)
  return NO_CODE.test(path) || INSTALLED.test(path) || OUR_PACKAGES?.test(path) === true
}

/** The folders of sources and builds beside those of the file that the first frame is in. */
function packagesOf(stack: string | undefined): RegExp | undefined {
  const path = slashed(stack?.split('\n').find((line) => /^ +at /.test(line)) ?? '')
  const [, folder] = /[( ]([^( ]*?\/)core\/(?:src|dist)\//.exec(path) ?? []
  if (folder === undefined) return undefined
  return new RegExp(`[( ]${folder.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&')}[^/]+/(?:src|dist)/`)
}

/** Paths of modules and of scripts, on every system, in one form. */
function slashed(text: string): string {
  return text.replaceAll('\\', '/').replace(/file:\/\/(?:\/(?=[A-Za-z]:))?/g, '')
}

function stackHere(): string | undefined {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder)
  return holder.stack
}
