#!/usr/bin/env bash
# libpg-query 18.1.5, seen 2026-11-29: it refuses a string that is continued on the next line past a `--` comment, which PostgreSQL 14 and 18 accept
# ("SQL Syntax", string constants; scan.l counts the comment as white space there). Its scanner gives the comment as a token of its own and the
# string as two. Who takes its refusal for the server's, or compares token borders with it, is wrong about valid SQL. Needs Node.js 20 or newer and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent libpg-query@18.1.5
cat >try.mjs <<'JS'
import { loadModule, parseSync, scanSync } from 'libpg-query'
await loadModule()
const parsed = (text) => {
  try {
    return parseSync(text).stmts[0].stmt.SelectStmt.targetList[0].ResTarget.val.A_Const.sval.sval
  } catch (error) {
    return error.message
  }
}
const text = "select 'a'\n  -- between\n  'b'"
const tokens = scanSync(text).tokens.map(({ tokenName, start, end }) => `${tokenName} ${start}-${end}`)
console.log(JSON.stringify({ plain: parsed("select 'a'\n  'b'"), commented: parsed(text), tokens }))
JS
seen=$(node try.mjs)
expected='{"plain":"ab","commented":"syntax error at or near \"'"'b'"'\"","tokens":["UNKNOWN 0-6","SCONST 7-10","SQL_COMMENT 13-23","SCONST 26-29"]}'
printf 'seen:     %s\nexpected: %s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]
