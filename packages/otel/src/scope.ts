/** What metrics and spans say of who has recorded them. */
export const SCOPE = {
  name: '@poolhouse/otel',
  schemaUrl: 'https://opentelemetry.io/schemas/1.44.0',
} as const
