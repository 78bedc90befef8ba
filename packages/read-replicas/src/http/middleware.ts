import type { ReplicaPool } from '../api/replica-pool.js'
import { type RequestOptions, RequestSessions, type TokenHeaders } from './request-session.js'

type HeaderValue = string | number | readonly string[] | undefined

/** A request of Node.js, as Express passes it on. */
export interface ExpressRequest {
  /** HTTP method. */
  readonly method?: string | undefined
  /** Headers by lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** A response of Node.js, as Express passes it on. */
export interface ExpressResponse {
  /** Whether the headers have been sent, so that none can be added. */
  readonly headersSent: boolean
  /** Reads a header that was set. */
  getHeader(name: string): HeaderValue
  /** Sets a header. */
  setHeader(name: string, value: string | readonly string[]): unknown
  /** Sends the headers. */
  writeHead: (...args: never[]) => unknown
  /** Ends the response. */
  end: (...args: never[]) => unknown
}

/** A middleware for Express. */
export type ExpressMiddleware<Request extends ExpressRequest = ExpressRequest> = (
  request: Request,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => void

/**
 * Middleware for Express (4 and 5) and frameworks of the same shape. Every request runs in a
 * session of the pool: the request's token continues it, and the response's token passes it on. The
 * method of the request is the intent of the calls that declare none. Put it before the routes.
 * Throws `TypeError` or `RangeError` for wrong options.
 *
 * @example
 * expressApp.use(expressReplicas(db))
 * expressApp.post('/orders', async (req, res) => {
 *   await db.query('insert into orders(id) values ($1)', [req.body.id]) // on the primary
 *   res.end()
 * })
 * expressApp.get('/orders', async (_req, res) => {
 *   res.json((await db.query('select * from orders')).rows) // on a replica that has the order
 * })
 */
export function expressReplicas<Request extends ExpressRequest = ExpressRequest>(
  db: ReplicaPool,
  options?: RequestOptions<Request>,
): ExpressMiddleware<Request> {
  const sessions = new RequestSessions(db, options)
  return (request, response, next) => {
    const session = sessions.begin(request, {
      method: request.method,
      header: (name) => firstOf(request.headers[name]),
    })
    const addHeaders = (): void => {
      if (response.headersSent) return
      for (const [name, value] of session.headers()) {
        response.setHeader(name, name === 'set-cookie' ? cookiesWith(response, value) : value)
      }
    }
    const { writeHead, end } = response
    let added = false
    response.writeHead = (...args) => {
      if (!added) addHeaders()
      added = true
      return Reflect.apply(writeHead, response, args)
    }
    if (session.asks) {
      // Delays the end of the response, like a session store, until the position of what it shows
      // is known.
      response.end = (...args) => {
        response.end = end
        session
          .freshHeaders()
          .then(() => Reflect.apply(end, response, args))
          .catch(next)
        return response
      }
    }
    session.run(() => next())
  }
}

function cookiesWith(response: ExpressResponse, cookie: string): readonly string[] {
  const before = response.getHeader('set-cookie')
  if (before === undefined) return [cookie]
  return Array.isArray(before) ? [...before, cookie] : [String(before), cookie]
}

/** A request of Fastify. */
export interface FastifyRequest {
  /** HTTP method. */
  readonly method: string
  /** Headers by lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** A reply of Fastify. */
export interface FastifyReply {
  /** Adds a header. Fastify keeps several cookies apart. */
  header(name: string, value: string): unknown
}

type FastifyHook<Request> = (request: Request, reply: FastifyReply, done: () => void) => void
type FastifySendHook<Request> = (
  request: Request,
  reply: FastifyReply,
  payload: unknown,
  done: (error: Error | null, payload?: unknown) => void,
) => void

/** The part of Fastify that the plugin uses. */
export interface FastifyHost<Request extends FastifyRequest = FastifyRequest> {
  /** Adds a hook. */
  addHook(name: 'onRequest' | 'preValidation', hook: FastifyHook<Request>): unknown
  /** Adds a hook. */
  addHook(name: 'onSend', hook: FastifySendHook<Request>): unknown
}

/** A plugin for Fastify. */
export type FastifyPlugin = (
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's own type has hundreds of overloads that no shape of ours would match.
  fastify: any,
  options: unknown,
  done: () => void,
) => void

/**
 * The same as a plugin for Fastify (4 and 5): `app.register(fastifyReplicas(db))`, before the
 * routes. See `expressReplicas`.
 *
 * @example
 * app.register(fastifyReplicas(db)) // before the routes
 * app.get('/orders', async () => (await db.query('select * from orders')).rows)
 */
export function fastifyReplicas<Request extends FastifyRequest = FastifyRequest>(
  db: ReplicaPool,
  options?: RequestOptions<Request>,
): FastifyPlugin {
  const sessions = new RequestSessions(db, options)
  const begun = new WeakMap<Request, ReturnType<typeof sessions.begin>>()
  const plugin = (fastify: FastifyHost<Request>, _: unknown, done: () => void): void => {
    fastify.addHook('onRequest', (request, _reply, goOn) => {
      const session = sessions.begin(request, {
        method: request.method,
        header: (name) => firstOf(request.headers[name]),
      })
      begun.set(request, session)
      session.run(goOn)
    })
    // Reading the body has switched to the async context of the socket, so the context is entered
    // again.
    fastify.addHook('preValidation', (request, _reply, goOn) => {
      const session = begun.get(request)
      if (session === undefined) goOn()
      else session.run(goOn)
    })
    fastify.addHook('onSend', (request, reply, payload, goOn) => {
      const addHeaders = (headers: TokenHeaders): void => {
        for (const [name, value] of headers) reply.header(name, value)
        goOn(null, payload)
      }
      const session = begun.get(request)
      if (session === undefined) goOn(null, payload)
      else session.freshHeaders().then(addHeaders).catch(goOn)
    })
    done()
  }
  // The hooks are meant for the routes of the application that registers the plugin. The plugin
  // itself has no routes.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

/** The part of Hono's context that the middleware uses. */
export interface HonoContext {
  /** The request. */
  readonly req: {
    /** HTTP method. */
    readonly method: string
    /** Reads a header. */
    header(name: string): string | undefined
  }
  /** Sets a header of the response. */
  header(name: string, value: string, options?: { append?: boolean }): void
}

/** A middleware for Hono. */
export type HonoMiddleware<Context extends HonoContext = HonoContext> = (
  context: Context,
  next: () => Promise<void>,
) => Promise<void>

/**
 * The same for Hono (4): `app.use(honoReplicas(db))`, before the routes. See `expressReplicas`.
 *
 * @example
 * import { Hono } from 'hono'
 *
 * const app = new Hono()
 * app.use(honoReplicas(db)) // before the routes
 * app.get('/orders', async (c) => c.json((await db.query('select * from orders')).rows))
 */
export function honoReplicas<Context extends HonoContext = HonoContext>(
  db: ReplicaPool,
  options?: RequestOptions<Context>,
): HonoMiddleware<Context> {
  const sessions = new RequestSessions(db, options)
  return async (context, next) => {
    const session = sessions.begin(context, {
      method: context.req.method,
      header: (name) => context.req.header(name),
    })
    await session.run(next)
    for (const [name, value] of await session.freshHeaders()) {
      context.header(name, value, { append: name === 'set-cookie' })
    }
  }
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
