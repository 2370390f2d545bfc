/**
 * How it is found out whether an instance that is Running does its work. A port that is a `guest` of its `ports` is the one within the machine, any
 * other one of 127.0.0.1. By `http` it is asked by GET; no redirect is followed, no body is read, and by https no certificate is
 * verified. `exec` is for drivers whose machines run such programs: `process`.
 */
export type HealthCheck = (
  | {
      readonly kind: 'http';
      readonly port: number;
      /** Path, with its leading slash. */
      readonly path: string;
      readonly scheme: 'http' | 'https';
      /** Status that tells health, 100 to 599. */
      readonly expectedStatus: number;
    }
  | { readonly kind: 'tcp'; readonly port: number }
  | {
      readonly kind: 'exec';
      /** Program and arguments; exit code 0 tells health. */
      readonly command: readonly string[];
      /** Where it works. @defaultValue where the program of the instance does */
      readonly cwd?: string;
    }
) & {
  /** From the end of a probe to the next, in milliseconds. */
  readonly intervalMs: number;
  /** How long a probe may take, in milliseconds; not longer than the interval. */
  readonly timeoutMs: number;
  /** How long after its start failures are not counted, in milliseconds. */
  readonly startPeriodMs: number;
  /** How many failures in a row make it unhealthy. */
  readonly failureThreshold: number;
  /** How many successes in a row make it healthy. */
  readonly successThreshold: number;
};
