import 'uplot/dist/uPlot.min.css'
import './page.css'
import { html } from 'htm/preact'
import { render } from 'preact'
import { App } from './app.js'
import { LiveView, type View } from './live-view.js'

const place = document.getElementById('page')!

// A token in the address has become a cookie; there it would be read over a shoulder, and kept in
// the history.
const { pathname, search } = location
if (new URLSearchParams(search).has('token')) history.replaceState(null, '', pathname)

// With a slash at its end or without: frameworks mount the page both ways.
new LiveView(`${pathname.replace(/\/$/, '')}/events`, show).follow()

function show(view: View): void {
  const isHeadless = view.state?.pools.some(({ hasPrimary }) => hasPrimary === false)
  document.title = isHeadless === true ? '✕ no primary · Poolhouse' : 'Poolhouse'
  render(html`<${App} view=${view} />`, place)
}
