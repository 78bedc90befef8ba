#!/usr/bin/env bash
# Runs the unit tests, and statements on a real server, on Node.js 24, whose binary comes as an npm package. Kept in .cache/ between runs.
# The simulations are left out: they compute on virtual time and use nothing in which versions of Node.js differ.
set -euo pipefail
cd "$(dirname "$0")/.."
platform=$(node -p '`node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`')
node24="$PWD/.cache/node-24/node_modules/$platform/bin/node"
if [ ! -x "$node24" ]; then
  mkdir -p .cache/node-24
  npm install --prefix .cache/node-24 --no-save --no-audit --no-fund --ignore-scripts "$platform@24"
fi
"$node24" --version
"$node24" node_modules/vitest/vitest.mjs run --project unit --exclude '**/simulation/**' --exclude 'sim/**'
"$node24" node_modules/vitest/vitest.mjs run --project integration packages/node-postgres/test/integration/statements.test.ts
