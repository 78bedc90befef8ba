/** Prints a line: what it is about, then the text. */
export function tell(what: string, text: string): void {
  console.log(`${what.padEnd(9)} ${text}`)
}

/** Prints rows with their columns one below the other. */
export function tellRows(what: string, rows: readonly (readonly string[])[]): void {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    }
  }
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0))
    tell(what, cells.join('  ').trimEnd())
  }
}
