interface Slices {
  utf8Slice?(start: number, end: number): string
}

// Of a long text the checks cost nothing.
const SHORT = 65_536
const hasSlices = typeof (Buffer.prototype as unknown as Slices).utf8Slice === 'function'

/**
 * The text of some bytes in UTF-8. As `buffer.toString`, for short texts without its checks of
 * arguments, which cost a third of the call. Throws `ERR_STRING_TOO_LONG` for what no string holds.
 */
export function textAt(buffer: Buffer, start: number, end: number): string {
  return hasSlices && end - start < SHORT
    ? (buffer as unknown as Required<Slices>).utf8Slice(start, end)
    : buffer.toString('utf8', start, end)
}
