/**
 * How Hono is served in tests: it leaves the global `Response` alone, because test files share a
 * process, and `RESPONSE_ALREADY_SENT` made of another class is not understood.
 */
export const HONO = { hostname: '127.0.0.1', port: 0, overrideGlobalObjects: false } as const
