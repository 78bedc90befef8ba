export type { Classification, DecidingToken } from '@poolhouse/core/sql'
export type { ReplicaPool, ReplicaSession } from './api/replica-pool.js'
export { annotationOf, type RunWithOptions, runWith } from './api/run-with.js'
export type {
  ClassifierOptions,
  ClassifyMode,
  StatementClassifier,
} from './classify/classification.js'
export { lexerClassifier } from './classify/lexer-classifier.js'
export type { OwnNames } from './classify/own-names.js'
export {
  type ExpressMiddleware,
  type ExpressRequest,
  type ExpressResponse,
  expressReplicas,
  type FastifyHost,
  type FastifyPlugin,
  type FastifyReply,
  type FastifyRequest,
  fastifyReplicas,
  type HonoContext,
  type HonoMiddleware,
  honoReplicas,
} from './http/middleware.js'
export type { RequestOptions } from './http/request-session.js'
export type {
  BalanceFunction,
  ReaderOptions,
  ReplicaCandidate,
  ReplicaSessionOptions,
  ReplicasOptions,
  StrategyName,
  WhenStaleOption,
} from './options/replicas-options.js'
export type { RouteCandidate, RouteCause, RouteExplanation } from './route/explain-route.js'
export { withReplicas } from './with-replicas.js'
