/** The name of a tenant beside those of databases: each is another one. */
export function tenantName(name: string, databases: ReadonlySet<string>): string {
  return databases.has(name) ? `${name} (tenant)` : name
}
