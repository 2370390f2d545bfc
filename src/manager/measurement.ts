import type { WaitEnd } from '../streams/waits.js';

/** What took how long, for `createMetrics` of `rx-instances/metrics`. */
export type Measurement =
  | {
      readonly kind: 'verb';
      readonly verb: string;
      /** `ok`, the `_tag` of the error, or `Error` for one that has none. */
      readonly result: string;
      readonly seconds: number;
    }
  | ({ readonly kind: 'wait' } & WaitEnd)
  | { readonly kind: 'commit'; readonly seconds: number }
  | { readonly kind: 'found_by_poll'; readonly instanceId: string };
