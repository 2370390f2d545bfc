import { text } from './scalars.js';

/** Decodes the place of a call in a trace, as [W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header) writes it. */
export const traceparent = text('a traceparent of W3C Trace Context', (value) =>
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(value),
);
