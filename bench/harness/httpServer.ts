/** What a server of a bench is asked for. */
export type ServerQuestion =
  /** Begins to serve; the answer is its port. */
  | {
      readonly kind: 'serve';
      readonly server: 'ours' | 'bare';
      /** Of ours: where it keeps what it has. Of bare: the file that it streams. */
      readonly from?: string;
    }
  /** Has so many things happen to an instance, some of them every so many milliseconds; the answer is how long it took, in ns. */
  | {
      readonly kind: 'happen';
      readonly events: number;
      readonly together: number;
      readonly everyMs: number;
    }
  /** Processor time until now, in ns. */
  | { readonly kind: 'processor' }
  /** Resident memory in bytes, after what nobody holds has gone. */
  | { readonly kind: 'memory' }
  /** Resolves once so many requests are being answered. */
  | { readonly kind: 'waiting'; readonly requests: number }
  /** When an event happened, in ns of a clock that all processes have; with none, how many there are. */
  | { readonly kind: 'when'; readonly event?: number };

export const serverProgram = 'httpServerProcess.ts';

/** Whoever brings a token that this has signed may read. */
export const tokenSecret = 'a secret of nobody but the benches, 42';
/** The instance to which things happen. */
export const served = 'served';
/** The instance to which nothing happens. */
export const waitedFor = 'waited';
