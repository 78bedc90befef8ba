import { test } from 'vitest'

// vitest wants a file to begin with; `MutantRunner` takes over after it.
test('begins', () => {})
