import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// A host that compiles modules for `require` only, such as Jest or ts-node, cannot import what it
// could require.
const ONLY_BY_REQUIRE: ReadonlySet<unknown> = new Set([
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING',
  'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG',
])

/**
 * The default export of a module, whichever kind of module the file and its reader are. An ES
 * module that was compiled to CommonJS has it under `default` of `module.exports`; of any other
 * CommonJS module it is `module.exports` itself. Rejects with what the runtime or the module
 * throws.
 */
export async function importDefault(path: string): Promise<unknown> {
  const module = (await load(path)) as { default?: unknown }
  const exported = module.default
  return isCompiled(exported) ? exported.default : exported
}

async function load(path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(path).href)
  } catch (error) {
    if (!ONLY_BY_REQUIRE.has((error as NodeJS.ErrnoException).code)) throw error
    return { default: required(path, error) }
  }
}

function required(path: string, importError: unknown): unknown {
  try {
    const module: unknown = createRequire(path)(path)
    return isModule(module) ? (module as { default?: unknown }).default : module
  } catch (error) {
    // Without a hook for its ending a file is read as JavaScript, and fails at the first type: the
    // first error says why.
    throw error instanceof SyntaxError ? importError : error
  }
}

function isModule(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Module]'
}

function isCompiled(value: unknown): value is { readonly default: unknown } {
  return (
    value !== null &&
    typeof value === 'object' &&
    (value as { __esModule?: unknown }).__esModule === true &&
    'default' in value
  )
}
