// Functions of PostgreSQL 14, the oldest server that is supported, and of all later ones. A name
// that only later servers have may be a function of the database on an older one, so `any_value`,
// `uuidv7` and the like are not here. Each is immutable or stable in pg_proc, or volatile without
// anything left behind: `clock_timestamp`, `timeofday`, `gen_random_uuid`, and `random`, which
// moves on a seed that the caller of another statement cannot know. `setseed` fixes the seed, and
// is not here.

// State of one call. An aggregate of the database with one of these names is as visible as a
// function with one.
const AGGREGATES =
  'array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank every first_value ' +
  'json_agg json_object_agg jsonb_agg jsonb_object_agg lag last_value lead max min mode nth_value ntile percent_rank ' +
  'percentile_cont percentile_disc range_agg range_intersect_agg rank regr_avgx regr_avgy regr_count regr_intercept regr_r2 ' +
  'regr_slope regr_sxx regr_sxy regr_syy row_number stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg'
const NUMBERS =
  'abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd degrees div exp ' +
  'factorial floor gcd generate_series generate_subscripts lcm ln log log10 min_scale mod num_nonnulls num_nulls pi pow power ' +
  'radians random round scale sign sin sind sinh sqrt tan tand tanh trim_scale trunc width_bucket'
// `convert` and its like call conversions, which only a superuser writes, in C.
const TEXTS =
  'ascii bit_count bit_length btrim char_length character_length chr concat concat_ws convert convert_from convert_to decode encode ' +
  'format get_bit get_byte initcap is_normalized left length lower lpad ltrim md5 normalize octet_length overlay parse_ident position ' +
  'quote_ident quote_literal quote_nullable regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table ' +
  'repeat replace reverse right rpad rtrim set_bit set_byte sha224 sha256 sha384 sha512 split_part starts_with string_to_array ' +
  'string_to_table strpos substr substring to_ascii to_char to_hex to_number translate unistr upper'
// They depend on the time zone of the session, which at rest is that of the pool. `now` is the time
// of the statement's own transaction, because each shared statement has its own.
const TIMES =
  'age clock_timestamp date_bin date_part date_trunc isfinite justify_days justify_hours justify_interval make_date make_interval ' +
  'make_time make_timestamp make_timestamptz now statement_timestamp timeofday timezone to_date to_timestamp transaction_timestamp'
// Without those that fill a row type, such as `json_populate_record`: a field of it may be of a
// domain, whose CHECK calls functions of the database.
const JSONS =
  'array_to_json json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each ' +
  'json_each_text json_extract_path json_extract_path_text json_object json_object_keys json_strip_nulls json_to_record ' +
  'json_to_recordset json_typeof jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array ' +
  'jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object ' +
  'jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query ' +
  'jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz jsonb_path_query_tz jsonb_pretty ' +
  'jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb ' +
  'xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlcomment xpath xpath_exists'
// Without `ts_stat` and `ts_rewrite`, which run SQL from a string. Templates of dictionaries and
// parsers are in C, and only a superuser creates one.
const SEARCH =
  'array_to_tsvector get_current_ts_config json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery plainto_tsquery querytree ' +
  'setweight strip to_tsquery to_tsvector ts_delete ts_filter ts_headline ts_lexize ts_parse ts_rank ts_rank_cd ts_token_type ' +
  'tsquery_phrase tsvector_to_array websearch_to_tsquery'
const ARRAYS =
  'array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position array_positions array_prepend ' +
  'array_remove array_replace array_to_string array_upper cardinality enum_first enum_last enum_range trim_array unnest'
const RANGES =
  'datemultirange daterange int4multirange int4range int8multirange int8range isempty lower_inc lower_inf multirange nummultirange ' +
  'numrange range_merge tsmultirange tsrange tstzmultirange tstzrange upper_inc upper_inf'
const PLACES =
  'abbrev area box broadcast center circle diagonal diameter family height host hostmask inet_merge inet_same_family isclosed ' +
  'ishorizontal isopen isparallel isperp isvertical line lseg macaddr8_set7bit masklen netmask network npoints path pclose point ' +
  'polygon popen radius set_masklen slope width'
// Casts in the form of a call, of the types that have a function of their name.
const TYPES =
  'bool bpchar cidr date float4 float8 gen_random_uuid int2 int4 int8 macaddr macaddr8 money name numeric oid regclass text ' +
  'timestamptz timetz varbit xid xml'
// What tools ask about names, types and privileges. User, database, search path and encoding are
// those of a connection at rest. `current_schema` makes the schema of temporary tables where the
// search path begins with it, and leaves it empty. Functions that read the text of a view, walk
// partitions or measure files are not here: they wait for locks, or read the disk.
const CATALOG =
  'col_description current_database current_schema current_schemas format_type getdatabaseencoding has_any_column_privilege ' +
  'has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege ' +
  'has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege ' +
  'has_type_privilege obj_description row_security_active shobj_description to_regclass to_regcollation to_regnamespace to_regoper ' +
  'to_regoperator to_regproc to_regprocedure to_regrole to_regtype version'
// Of the functions that begin with `pg_` these alone. Not `pg_sleep`, which blocks on purpose,
// advisory locks, `pg_backend_pid`, nor anything else about the process behind the session.
const WITH_PREFIX =
  'pg_char_to_encoding pg_collation_for pg_collation_is_visible pg_column_compression pg_column_size pg_conversion_is_visible ' +
  'pg_encoding_to_char pg_function_is_visible pg_get_keywords pg_get_userbyid pg_has_role pg_lsn pg_opclass_is_visible ' +
  'pg_operator_is_visible pg_opfamily_is_visible pg_size_bytes pg_size_pretty pg_statistics_obj_is_visible pg_table_is_visible ' +
  'pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible pg_typeof ' +
  'pg_wal_lsn_diff'
// Functions that special syntax of SQL is translated into.
const SYNTAX = 'extract like_escape overlaps similar_to_escape xmlexists'

const GROUPS = [
  AGGREGATES,
  NUMBERS,
  TEXTS,
  TIMES,
  JSONS,
  SEARCH,
  ARRAYS,
  RANGES,
  PLACES,
  TYPES,
  CATALOG,
  WITH_PREFIX,
  SYNTAX,
]

/**
 * Names of functions of every supported PostgreSQL that only read, leave the session alone, do not
 * block on purpose, and give the same answer on each connection of a pool at rest. They are
 * harmless on a replica too.
 */
export const SHARED_FUNCTIONS: ReadonlySet<string> = new Set(
  GROUPS.flatMap((names) => names.split(' ')),
)
