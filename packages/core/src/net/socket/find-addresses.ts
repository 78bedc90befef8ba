import { type LookupAddress, lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { ConnectDeadline } from './connect-deadline.js'

/** Looks up every address of a name; what `dns.lookup` does with `all`. */
export type LookUp = (
  host: string,
  options: { all: true; order: 'verbatim' },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/**
 * Every address of a host, in the order to try them: that of the system (RFC 6724), with the two
 * families taking turns so that a broken one costs one attempt and not all (RFC 8305, section 4).
 * An address is its own answer. Asked anew for each connect, because a failover may be a change in
 * DNS. Rejects with the look-up's error or `deadline.reason`; a look-up itself cannot be stopped,
 * its late answer is ignored.
 */
export function findAddresses(
  host: string,
  deadline: ConnectDeadline,
  look: LookUp = lookup,
): Promise<readonly string[]> {
  if (isIP(host) !== 0) return Promise.resolve([host])
  return new Promise((resolve, reject) => {
    if (!deadline.watch(() => reject(deadline.reason as Error))) return
    look(host, { all: true, order: 'verbatim' }, (error, addresses) => {
      if (deadline.ended) return
      deadline.unwatch()
      if (error !== null) reject(error)
      else if (addresses.length === 0) reject(new Error(`the host name "${host}" has no address`))
      else resolve(interleave(addresses))
    })
  })
}

function interleave(addresses: readonly LookupAddress[]): string[] {
  const first = addresses[0]!.family
  const own = addresses.filter(({ family }) => family === first)
  const other = addresses.filter(({ family }) => family !== first)
  const turns: string[] = []
  for (let index = 0; index < Math.max(own.length, other.length); index++) {
    for (const found of [own[index], other[index]]) if (found) turns.push(found.address)
  }
  return [...new Set(turns)]
}
