/** Whether the statement may leave the session different from a fresh one. */
export const CHANGES_SESSION = 1
/** Whether the statement begins or ends a transaction. */
export const CONTROLS_TRANSACTION = 2
/** Whether the statement is a COPY whose data goes through this connection. */
export const COPIES = 4
/**
 * Whether the statement may leave something in the session that no reset undoes, so that only its
 * end does.
 */
export const SPOILS_SESSION = 8
/**
 * Whether the statement may change what a text means in this session: the search path, the role or
 * the user, temporary tables that hide others, or a setting that PostgreSQL asks while it parses,
 * such as the time zone.
 */
export const CHANGES_NAMING = 16
/** Whether the statement takes or gives back an advisory lock that belongs to the session. */
export const LOCKS_SESSION = 32
/** Whether servers with `standard_conforming_strings` off may read other statements in the text. */
export const READ_IN_TWO_WAYS = 64
