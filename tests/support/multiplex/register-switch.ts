// Preloaded by processes that a test starts: their pools have the default of the run, as those in
// the test's own process.
import { register } from 'node:module'
import { readMultiplexSwitch } from './multiplex-switch.js'

if (readMultiplexSwitch() !== undefined) register('./switch-hook.ts', import.meta.url)
