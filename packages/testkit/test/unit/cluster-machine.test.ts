import { describe, expect, it } from 'vitest'
import { findBinaries, findPackagedFolder, parseVersion } from '../../src/cluster/binaries.js'
import { parseLogPosition } from '../../src/cluster/log-position.js'
import { findServerUser } from '../../src/machine/server-user.js'

describe('the PostgreSQL installation', () => {
  it('is asked for its major version, in the words of every packager', () => {
    expect(parseVersion('postgres (PostgreSQL) 18.4\n')).toBe(18)
    expect(parseVersion('postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n')).toBe(15)
    expect(parseVersion('postgres (PostgreSQL) 19devel\n')).toBe(19)
    expect(parseVersion('something else 1.2')).toBeUndefined()
  })

  it('names the platform, the option and the variable when npm has none for it', async () => {
    await expect(findPackagedFolder('sunos-sparc')).rejects.toThrow(
      /no PostgreSQL for sunos-sparc: set the `binaries` option or POOLHOUSE_TEST_PG_BIN/,
    )
  })

  it('names the folder and the option when the given one has no programs', async () => {
    await expect(findBinaries('/nonexistent/bin', undefined)).rejects.toThrow(
      /postgres and initdb in \/nonexistent\/bin do not run: set the `binaries` option/,
    )
  })
})

describe('the user of the server', () => {
  const passwd = (): string =>
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65533:65532:nobody:/:/bin/false\n'

  it('is our own unless we are root', () => {
    expect(findServerUser(1000, passwd)).toBeUndefined()
  })

  it('is `nobody` for root, with the ids that this system gives it', () => {
    expect(findServerUser(0, passwd)).toEqual({ uid: 65_533, gid: 65_532 })
    expect(findServerUser(0, () => 'nobody:*:-2:-2:x:/:/')).toEqual({ uid: -2, gid: -2 })
  })

  it('has the usual ids of `nobody` where the system does not list it', () => {
    const usual = { uid: 65_534, gid: 65_534 }
    expect(findServerUser(0, () => '')).toEqual(usual)
    const missing = (): string => {
      throw new Error('ENOENT')
    }
    expect(findServerUser(0, missing)).toEqual(usual)
  })
})

describe('a WAL position', () => {
  it('compares as a number across the boundary of its halves', () => {
    expect(parseLogPosition('0/FFFFFFFF') < parseLogPosition('1/0')).toBe(true)
    expect(parseLogPosition('0/A') < parseLogPosition('0/10')).toBe(true)
  })

  it('is zero when there is none yet', () => {
    expect(parseLogPosition(null)).toBe(0n)
    expect(parseLogPosition(undefined)).toBe(0n)
  })

  it('refuses what is no position', () => {
    expect(() => parseLogPosition('12')).toThrow(TypeError)
  })
})
