import type { Driver } from '@poolhouse/core'
import { connectSession, type Library, type LibraryClient, readFields } from '@poolhouse/core/net'

/** What there is to lend where no library is: nothing. */
const nothingToLend: LibraryClient = {
  raw: undefined,
  isStarted: true,
  mayWrite: false,
  lend: () => undefined,
  take() {},
  drained() {},
  restore() {},
  lose() {},
}

const noLibrary: Library = {
  makeClient: () => nothingToLend,
  errorOf(body) {
    const { M: message, C: code, R: routine } = readFields(body)
    return Object.assign(new Error(message), { code, routine })
  },
}

/** A driver over no library at all: `lease.raw` is undefined. */
export function bareDriver(): Driver {
  return {
    name: 'bare',
    capabilities: { pipeline: true, namedStatements: true },
    connect: (context) => connectSession(noLibrary, context),
  }
}
