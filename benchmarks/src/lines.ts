/** Rows of cells as lines, all columns but the first to the right. */
export function aligned(rows: readonly (readonly string[])[], between = '  '): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join(between),
  )
}

/** Rows of cells, the first one the header, as a table of Markdown. */
export function markdown(rows: readonly (readonly string[])[]): string[] {
  const lines = aligned(rows, ' | ').map((line) => `| ${line} |`)
  const [header = '', ...body] = lines
  return [header, header.replace(/[^|]/g, '-'), ...body]
}
