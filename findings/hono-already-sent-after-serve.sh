#!/usr/bin/env bash
# @hono/node-server 2.1.9, seen 2026-11-30: RESPONSE_ALREADY_SENT, by which a handler says that it answers on `env.outgoing` itself, is only understood
# if `@hono/node-server/utils/response` was imported before the process first called serve(). serve() replaces the global Response by a class of its own;
# a mark made of that class is sent as an empty answer of 200 before the handler has written anything. A lazily loaded route or plugin meets this.
# `serve({ overrideGlobalObjects: false })` avoids it. Needs Node.js 20 or newer and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent @hono/node-server@2.1.9 hono@4.13.19
cat >try.mjs <<'JS'
const order = process.argv[2]
const mark = () => import('@hono/node-server/utils/response')
if (order === 'before') await mark()
const { serve } = await import('@hono/node-server')
const { Hono } = await import('hono')
const app = new Hono()
let sent
app.get('/', ({ env }) => {
  setTimeout(() => env.outgoing.headersSent || env.outgoing.end('by hand'), 50)
  return sent
})
const overrideGlobalObjects = order !== 'after, globals left alone'
const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects })
if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
sent = (await mark()).RESPONSE_ALREADY_SENT
const answer = await fetch(`http://127.0.0.1:${server.address().port}/`)
console.log(`imported ${order}: ${answer.status} "${await answer.text()}"`)
server.closeAllConnections()
server.close()
JS
seen=$(for order in before after 'after, globals left alone'; do node try.mjs "$order"; done)
expected='imported before: 200 "by hand"
imported after: 200 ""
imported after, globals left alone: 200 "by hand"'
printf 'seen:\n%s\nexpected:\n%s\n' "$seen" "$expected"
[ "$seen" = "$expected" ]
