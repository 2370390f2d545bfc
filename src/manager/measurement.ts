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
  | {
      readonly kind: 'exec';
      readonly driver: string;
      /** `ok` once it has ended, `timed_out`, `given_up` by who asked for it; else as of a verb. */
      readonly result: string;
      readonly seconds: number;
    }
  | ({ readonly kind: 'wait' } & WaitEnd)
  | { readonly kind: 'commit'; readonly seconds: number }
  | { readonly kind: 'found_by_poll'; readonly instanceId: string }
  | {
      readonly kind: 'decision';
      readonly controller: string;
      readonly verb: string;
      readonly reason: string;
      /** As of a verb. */
      readonly result: string;
    }
  | { readonly kind: 'controller_failed'; readonly controller: string };
