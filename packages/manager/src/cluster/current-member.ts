import { AsyncLocalStorage } from 'node:async_hooks'
import type { Member } from './database-member.js'

/**
 * Whose call is under way. The pools that route stand above the databases of a cluster and are
 * shared by all of them; each call takes along which database it is for, and the node at the end of
 * the way looks it up. The pools that route do all they do for a call within its own async context,
 * also when it has waited.
 */
export const currentMember: AsyncLocalStorage<Member> = new AsyncLocalStorage()
