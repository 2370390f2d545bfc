/** What came of a probe. */
export type ProbeOutcome =
  | { readonly kind: 'success' }
  /** The instance did not answer as it should. Neither what it answered nor what it was asked with stands in the error. */
  | { readonly kind: 'failure'; readonly error: string }
  /** It could not be asked, for which it is not to blame. */
  | { readonly kind: 'unasked'; readonly error: string };
