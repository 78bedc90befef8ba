#!/usr/bin/env bash
# Runs the tests of the driver over `pg` on the oldest pg that its package accepts, over the oldest pg-protocol. `pnpm test` has the newest of both.
# postgres.js has one version that is accepted, 3.4.9, which is the one of `pnpm test`. Kept in .cache/ between runs. With files as arguments, only these.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(node -p 'require("./packages/node-postgres/package.json").peerDependencies.pg.match(/>=([^ ]+)/)[1]')
folder="$PWD/.cache/pg-$version"
if [ ! -d "$folder/node_modules/pg" ]; then
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts "pg@$version" pg-protocol@1.15.0
fi
node -p '`pg ${require(process.argv[1]).version}`' "$folder/node_modules/pg/package.json"
files=("$@")
[ $# -gt 0 ] || files=(packages/node-postgres tests/conformance/conformance-node-postgres.test.ts)
POOLHOUSE_TEST_PG="$folder/node_modules/pg" node node_modules/vitest/vitest.mjs run --project unit --project integration "${files[@]}"
