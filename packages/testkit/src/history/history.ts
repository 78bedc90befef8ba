import { isPoolhouseError } from '@poolhouse/core'
import type { Operation, OperationKind, OperationOutcome } from './operation.js'
import type { Stall } from './stall-watch.js'

/**
 * Everything a set of workers asked of a system, and what it told them. Written while faults
 * happen, judged after they have healed.
 */
export class History {
  /** Every call, in the order of invocation. */
  readonly operations: Operation[] = []
  /** Unhandled rejections and exceptions while a workload ran. */
  readonly unhandled: unknown[] = []
  /** When this process itself was late while a workload ran; no call is blamed for that. */
  readonly stalls: Stall[] = []

  /**
   * Writes down a call that is about to be made.
   *
   * @example
   * const history = new History()
   * const operation = history.begin('insert', 0, 1, 5_000)
   */
  begin(kind: OperationKind, worker: number, seq: number, deadlineMs: number): Operation {
    const operation: Operation = {
      id: `${kind === 'read' ? 'r' : 'w'}${worker}-${seq}`,
      kind,
      worker,
      seq,
      deadlineMs,
      invokedAt: performance.now(),
    }
    this.operations.push(operation)
    return operation
  }

  /**
   * Writes down what became of a call.
   *
   * @example
   * const history = new History()
   * history.end(history.begin('insert', 0, 1, 5_000), { kind: 'acknowledged' })
   */
  end(operation: Operation, outcome: OperationOutcome): void {
    operation.settledAt = performance.now()
    operation.outcome = outcome
  }
}

/** What an error tells about the work it stands for. */
export function failed(error: unknown): OperationOutcome {
  const ours = isPoolhouseError(error)
  const code = (error as { code?: unknown } | null | undefined)?.code
  return {
    kind: 'failed',
    executed: ours ? error.executed : 'unstated',
    code: typeof code === 'string' ? code : undefined,
    message: error instanceof Error ? error.message : String(error),
  }
}
