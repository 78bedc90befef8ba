const PAGE_BYTES = 8_192n
const LONGEST_PAGE_HEADER = 40n

/**
 * Bytes of the shortest record of a commit: the header of a record (`XLogRecord`, 24), the header
 * of its data (2) and the time of the commit (`xl_xact_commit`, 8). Longer ones name more.
 */
export const LEAST_COMMIT_BYTES = 34n

/**
 * The position up to which a standby must have replayed to have every commit that the log of its
 * primary holds. `inserted` is where that log ends, and `flushed`, asked after it, where the part
 * of it ends that is safe on disk and that standbys get; undefined where it was not asked.
 *
 * That is `flushed` where the rest is too short for a commit. A server leaves a record that
 * commits nothing unflushed for a while: since version 17 the one that a checkpoint begins with
 * (`XLOG_CHECKPOINT_REDO`, 32 bytes), until the checkpoint has ended or the background writer has
 * logged a snapshot, on a quiet primary up to 15 s. Standbys get it no sooner, and lack nothing
 * meanwhile.
 */
export function endOfCommits(inserted: bigint, flushed: bigint | undefined): bigint {
  if (flushed === undefined || inserted <= flushed) return inserted
  if (inserted - flushed >= LEAST_COMMIT_BYTES) return inserted
  // A flush ends behind a record, or at the end of a page, where a record may go on.
  const isWhole = flushed % PAGE_BYTES !== 0n && flushed / PAGE_BYTES === inserted / PAGE_BYTES
  return isWhole ? flushed : inserted
}

/**
 * The insert position stands behind the header of a new page as soon as the last record fills the
 * page before it, while a replica that has replayed that record stands at the end of the page. An
 * idle primary may stay there for hours.
 */
export function endOfLastRecord(position: bigint): bigint {
  const offset = position % PAGE_BYTES
  return offset <= LONGEST_PAGE_HEADER ? position - offset : position
}
