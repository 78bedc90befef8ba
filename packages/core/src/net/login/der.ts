/** One element of a DER text: its tag, and where its contents are. */
export interface DerElement {
  /** First byte. */
  readonly tag: number
  /** Where the contents begin. */
  readonly from: number
  /** Where the contents end and the next element begins. */
  readonly to: number
}

/**
 * Reads the head of the element at `at` (X.690, section 8.1). Throws `RangeError` where there is
 * none or where it is cut off.
 */
export function elementAt(bytes: Buffer, at: number): DerElement {
  const tag = bytes.readUInt8(at)
  const short = bytes.readUInt8(at + 1)
  // 0x81 and more: the length stands in that many bytes behind.
  const size = short < 0x80 ? 0 : short & 0x7f
  if (size > 4) throw new RangeError('a DER length of more than four bytes')
  const from = at + 2 + size
  const length = size === 0 ? short : bytes.readUIntBE(at + 2, size)
  const to = from + length
  if (to > bytes.length) throw new RangeError('a DER element that is cut off')
  return { tag, from, to }
}
