export {
  type DiagnosedServer,
  type DiagnoseOptions,
  type Diagnosis,
  diagnose,
} from './doctor/diagnose.js'
export type { CheckName, Finding, Severity } from './doctor/finding.js'
export type { CliIo, CliOutput } from './io.js'
export { UsageError } from './outcome.js'
export { runCli } from './run-cli.js'
export type { TargetChoice } from './target/find-target.js'
