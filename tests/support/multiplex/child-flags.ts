import { fileURLToPath } from 'node:url'

/**
 * The flags of Node.js for a process that a test starts: it runs the packages as sources, and its
 * pools have the default `multiplex` of this run.
 */
export const CHILD_FLAGS: readonly string[] = [
  '--conditions=@poolhouse/source',
  ...['--import', 'tsx'],
  ...['--import', fileURLToPath(new URL('register-switch.ts', import.meta.url))],
]
