import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
// The first field of `ControlFileData`; in `XLogLongPageHeaderData` it follows the header that
// every page has.
const IN_CONTROL_FILE = 0
const IN_LOG = process.arch === 'ia32' ? 20 : 24
// The structure is kept below a sector, so that it is written whole.
const LARGEST_CONTROL_DATA = 512

/**
 * Gives the copy of a cleanly stopped server's data directory an identifier of its own, as initdb
 * would have: servers with the same one take each other for copies. It stands in the control file,
 * under a checksum, and at the head of each segment of the log.
 */
export async function renewSystemIdentifier(dataDirectory: string): Promise<void> {
  const identifier = randomBytes(8).readBigUInt64LE() >> 1n
  const path = join(dataDirectory, 'global', 'pg_control')
  const control = await readFile(path)
  const checksumAt = findChecksum(control)
  const view = viewOf(control)
  const old = view.getBigUint64(IN_CONTROL_FILE, LITTLE_ENDIAN)
  view.setBigUint64(IN_CONTROL_FILE, identifier, LITTLE_ENDIAN)
  view.setUint32(checksumAt, crc32c(control.subarray(0, checksumAt)), LITTLE_ENDIAN)
  const log = join(dataDirectory, 'pg_wal')
  const segments = (await readdir(log)).filter((name) => /^[0-9A-F]{24}$/.test(name))
  for (const name of segments) {
    const segment = await readFile(join(log, name))
    const head = viewOf(segment)
    if (head.getBigUint64(IN_LOG, LITTLE_ENDIAN) !== old) continue
    head.setBigUint64(IN_LOG, identifier, LITTLE_ENDIAN)
    await writeFile(join(log, name), segment)
  }
  await writeFile(path, control)
}

/**
 * Where the checksum of the control file stands: behind everything that it covers, which differs
 * between versions.
 */
function findChecksum(control: Buffer): number {
  const view = viewOf(control)
  for (let at = 8; at < LARGEST_CONTROL_DATA; at += 4) {
    if (view.getUint32(at, LITTLE_ENDIAN) === crc32c(control.subarray(0, at))) return at
  }
  throw new Error('the control file of the server carries no checksum that fits')
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

/** CRC-32C (Castagnoli), which node:zlib does not have. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!
  return (crc ^ 0xffffffff) >>> 0
}
