import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** `ControlFileData.checkPoint` comes after a 64-bit time, which 32-bit x86 aligns to 4 bytes. */
const CHECKPOINT_OFFSET = process.arch === 'ia32' ? 28 : 32

/**
 * Reads where the last checkpoint of a stopped server begins in its log. After a clean stop that
 * is the shutdown checkpoint, the very last record: who has more than this has everything.
 */
export async function readCheckpointPosition(dataDirectory: string): Promise<bigint> {
  const bytes = await readFile(join(dataDirectory, 'global', 'pg_control'))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
  return view.getBigUint64(CHECKPOINT_OFFSET, littleEndian)
}
