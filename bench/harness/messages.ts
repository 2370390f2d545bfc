import type { Row } from './bench.js';

/** What a contender's process is asked. */
export type Question =
  { readonly kind: 'open'; readonly row: Row } | { readonly kind: 'sample' } | { readonly kind: 'close' };

/** What it answers. */
export type Answer =
  | { readonly kind: 'done' }
  | { readonly kind: 'figure'; readonly figure: number }
  | { readonly kind: 'notRun'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string };
