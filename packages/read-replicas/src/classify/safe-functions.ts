import { SHARED_FUNCTIONS } from '@poolhouse/core/sql'

// What a replica may run and a shared connection may not: functions of PostgreSQL 14 to 18 that are
// immutable or stable in pg_proc, and those volatile ones that are harmless: no write, no lock that
// outlives the statement, no state of a session, no string that is run as SQL, and no result that
// depends on which server answers.

// The names that only servers newer than PostgreSQL 14 have.
const NEWER =
  'any_value array_reverse array_sample array_shuffle array_sort casefold crc32 crc32c date_add date_subtract erf erfc gamma ' +
  'json_agg_strict json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict jsonb_agg_strict ' +
  'jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict jsonb_populate_record_valid lgamma ' +
  'pg_input_error_info pg_input_is_valid random_normal regexp_count regexp_instr regexp_like regexp_substr to_bin to_oct ' +
  'to_regtypemod unicode_assigned uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 xmltext'
// They call the checks of domains, as a write of such a row would.
const ROWS =
  'json_populate_record json_populate_recordset jsonb_populate_record jsonb_populate_recordset'
const EXTENSIONS =
  'similarity word_similarity strict_word_similarity show_trgm unaccent levenshtein levenshtein_less_equal soundex metaphone ' +
  'dmetaphone uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuid_nil digest hmac crypt ' +
  'gen_salt gen_random_bytes'
// Types and syntax in the form of a call that is no function.
const TYPES = 'bytea inet trim tsquery tsvector uuid'
// Functions with which tools read the structure of a database, which is the same on all its
// servers.
const CATALOG =
  'pg_column_is_updatable pg_database_size pg_describe_object pg_filenode_relation pg_get_constraintdef pg_get_expr ' +
  'pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result ' +
  'pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_partition_constraintdef pg_get_partkeydef pg_get_ruledef ' +
  'pg_get_serial_sequence pg_get_statisticsobjdef pg_get_triggerdef pg_get_viewdef pg_identify_object ' +
  'pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_indexes_size pg_options_to_table ' +
  'pg_partition_ancestors pg_partition_root pg_partition_tree pg_relation_is_updatable pg_relation_size pg_sequence_parameters ' +
  'pg_table_size pg_tablespace_size pg_timezone_names pg_total_relation_size'
// They block on purpose.
const WAITS = 'pg_sleep pg_sleep_for pg_sleep_until'

const GROUPS = [NEWER, ROWS, EXTENSIONS, TYPES, CATALOG, WAITS]

/** Names of functions that are known to be harmless on a replica. */
export const SAFE_FUNCTIONS: ReadonlySet<string> = new Set([
  ...SHARED_FUNCTIONS,
  ...GROUPS.flatMap((names) => names.split(' ')),
])
