export {
  type Instrumentable,
  type Instrumentation,
  type InstrumentOptions,
  instrument,
} from './instrument.js'
