/** What a process of the application is asked. */
export type Request =
  | { readonly kind: 'ready' }
  | { readonly kind: 'order'; readonly id: number }
  | { readonly kind: 'look'; readonly id: number; readonly token?: string | undefined }

/** What it answers. */
export type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'ordered'; readonly token: string }
  | { readonly kind: 'looked'; readonly found: boolean; readonly node: string }
