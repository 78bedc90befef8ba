import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// The errors of a host that compiles modules for `require` only, such as Jest or ts-node.
const ONLY_BY_REQUIRE: ReadonlySet<unknown> = new Set([
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING',
  'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG',
])

/**
 * Returns the default export of a module, of any module kind. For an ES module that was compiled to
 * CommonJS that is `module.exports.default`; for any other CommonJS module it is `module.exports`.
 * Rejects with what the runtime or the module throws.
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
    // Without a hook for TypeScript, `require` reads the file as JavaScript and fails at the first
    // type. The error of the import says more.
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
