/**
 * For whom a call is made on pools that several parties share, such as the databases of one
 * manager. Any object can stand for a party.
 */
export type CallParty = object

// The async context would carry it by itself, but before Node.js 24 its first use makes every
// promise of the process slower. A call that reaches its server in the turn in which it is made
// needs none.
let running: CallParty | undefined

/**
 * The party of the call that is being made right now; undefined where the call has none, and in all
 * code that runs later. A pool that sends a call later than it was made reads this first, and
 * sends the call by `callFor` then.
 */
export function partyOfCall(): CallParty | undefined {
  return running
}

/**
 * A call of this party begins; of none, where it is undefined. Returns what `leaveCall` takes. It
 * must be called before the code that entered returns, also where that throws.
 */
export function enterCall(party: CallParty | undefined): CallParty | undefined {
  const around = running
  running = party
  return around
}

/** Ends what `enterCall` has begun. */
export function leaveCall(around: CallParty | undefined): void {
  running = around
}

/**
 * Runs work as a call of this party, up to its first `await`. Returns what the work returns, and
 * throws what it throws.
 */
export function callFor<R>(party: CallParty | undefined, work: () => R): R {
  const around = enterCall(party)
  try {
    return work()
  } finally {
    leaveCall(around)
  }
}
