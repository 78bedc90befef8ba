import type { Clock } from '@poolhouse/core'
import { LagRing } from '@poolhouse/core/kit'
import { type ClusterView, lifeOf } from '../judge/cluster-view.js'
import type { Judgement } from '../judge/judgement.js'
import { mayCommit } from '../judge/may-commit.js'
import type { Age } from '../judge/topology-snapshot.js'

/**
 * Owns what the lag of replicas is measured against: the positions that the primary has reported,
 * and the time up to which a server may have committed anything.
 */
export class LagReference {
  /** The positions of the primary over time. */
  readonly ring: LagRing = new LagRing()
  readonly #clock: Clock
  // Identifies the primary whose positions the ring holds, and since when it holds them.
  #source: string | undefined
  #since = 0
  // When the last primary was found to be gone, and the lives of the servers at that time.
  #end: { readonly at: number; readonly lives: ReadonlySet<string | undefined> } | undefined

  /** Knows no position before `sample`. */
  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For how long there have been positions of this primary, in milliseconds; undefined without. */
  get knownForMs(): number | undefined {
    return this.#source === undefined ? undefined : this.#clock.now() - this.#since
  }

  /**
   * Adds the position of the primary's last probe, which may be older than its election. Returns
   * whether it is the first position of this primary.
   */
  sample(view: ClusterView, { primary }: Judgement): boolean {
    const record = primary === undefined ? undefined : view.nodes.get(primary)
    // After a failed probe `sentAt` belongs to that probe, not to the last answer.
    if (record?.standing.kind !== 'answer' || record.failures > 0) return false
    const { lsn, timeline, systemId } = record.standing.facts
    if (lsn === undefined) return false
    const source = `${systemId} ${timeline} ${primary}`
    this.ring.add(source, record.sentAt, lsn)
    if (source === this.#source) return false
    this.#source = source
    this.#since = this.#clock.now()
    return true
  }

  /** The time up to which a server may have committed anything, as of this view. */
  age(view: ClusterView, judgement: Judgement): Age {
    const now = this.#clock.now()
    if (judgement.primary !== undefined) this.#end = undefined
    if (mayCommit(view, judgement)) return { at: now, still: false }
    // A server that was silent for a while and is in the same life as before was not promoted
    // meanwhile.
    const lives = [...view.nodes.keys()].map((id) => lifeOf(view, id))
    const known = this.#end?.lives
    if (known === undefined || !lives.every((life) => life === undefined || known.has(life))) {
      // A primary may have committed until it was found to be gone.
      this.#end = { at: now, lives: new Set(lives) }
    }
    return { at: this.#end!.at, still: true }
  }
}
