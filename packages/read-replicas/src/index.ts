export { type RunWithOptions, runWith } from './ambient.js'
export { annotationOf } from './annotation.js'
export type { BalanceFunction, ReplicaCandidate } from './balancer.js'
export type {
  Classification,
  ClassifierOptions,
  ClassifyMode,
  DecidingToken,
  StatementClassifier,
} from './classify/classification.js'
export { lexerClassifier } from './classify/lexer-classifier.js'
export type { OwnNames } from './classify/own-names.js'
export type { RouteCandidate, RouteCause, RouteExplanation } from './explain-route.js'
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
} from './middleware.js'
export type { ReplicaPool, ReplicaSession } from './replica-pool.js'
export type {
  ReaderOptions,
  ReplicaSessionOptions,
  ReplicasOptions,
  StrategyName,
  WhenStaleOption,
} from './replicas-options.js'
export type { RequestOptions } from './request-session.js'
export { withReplicas } from './with-replicas.js'
