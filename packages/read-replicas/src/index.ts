export type { BalanceFunction, ReplicaCandidate } from './balancer.js'
export type {
  Classification,
  ClassifierOptions,
  ClassifyMode,
  DecidingToken,
  StatementClassifier,
} from './classify/classification.js'
export { lexerClassifier } from './classify/lexer-classifier.js'
export type { RouteCandidate, RouteCause, RouteExplanation } from './explain-route.js'
export type { ReplicaPool } from './replica-pool.js'
export type { ReaderOptions, ReplicasOptions, StrategyName } from './replicas-options.js'
export { withReplicas } from './with-replicas.js'
