/** The smallest configuration in code that works, for the errors of a reader who has none yet. */
export const SMALLEST_CODE: string = smallest(
  "createManager({ drivers: { pg: nodePostgres() }, databases: { app: 'postgres://user@host/database' } })",
)

/** The same as a file. */
export const SMALLEST_FILE: string = smallest(
  '{ "databases": { "app": "postgres://user@host/database" } }',
)

function smallest(config: string): string {
  return `; the smallest configuration that works: ${config}`
}
