import { edition, manager } from '../../lib/db'

/** What the recipe asks for. */
export function GET() {
  const { created, destroyed } = manager.stats().databases['app']?.counters ?? {}
  return Response.json({ pid: process.pid, edition, created, destroyed })
}
