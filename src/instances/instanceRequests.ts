import type { DriverFields, Instance } from '../lifecycle/instance.js';
import type { InstanceFilter } from '../streams/instanceFilter.js';

/** What to create. */
export interface CreateRequest extends DriverFields, PolicyRequests {
  /** 1 to 63 lower-case letters, digits and inner hyphens; unique. */
  readonly name: string;
  /** What it starts from; for `process` a directory, or `scratch` for an empty one. */
  readonly image: string;
  /** Kind of driver. @defaultValue the only driver of the manager, if it has one only */
  readonly driver?: string;
  /** Environment variables. @defaultValue none */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Environment variables whose values nobody is told but its machine: no event, list, log, metric or error has them. With a `dataDir` they are kept
   * in a file of their own, for the owner of this process only, and else in memory. They come before those of `env` that have the same name. A guest
   * has them in its memory, which is a file, and in those of its snapshots.
   *
   * @defaultValue none
   */
  readonly secrets?: Readonly<Record<string, string>>;
  /** At most 50 labels. @defaultValue none */
  readonly tags?: Readonly<Record<string, string>>;
  /** How long a run may take, in milliseconds: {@link BaseSpec.runTimeoutMs}. @defaultValue 0, without end */
  readonly runTimeoutMs?: number;
}

/** How the policies of an instance are asked for. What is left open of one is its default. */
export interface PolicyRequests {
  /** Whether it is put on standby when nobody is connected to it. `{ enabled: false }` keeps it from that. @defaultValue it is not */
  readonly autoStandby?: AutoStandbyRequest;
  /** Whether it is started again when it ends by itself. @defaultValue `{ policy: 'never' }` */
  readonly restartPolicy?: RestartPolicyRequest;
  /** How it is found out whether it does its work. @defaultValue `{ kind: 'none' }` */
  readonly healthCheck?: HealthCheckRequest;
  /** How long it lives from now on, in milliseconds; then it is deleted. 0 is without end. Not beside `expiresAt`. @defaultValue 0 */
  readonly ttlMs?: number;
  /** When it is deleted, as Unix time in milliseconds, which has to be to come. @defaultValue never */
  readonly expiresAt?: number;
}

/** How an {@link AutoStandby} is asked for. */
export interface AutoStandbyRequest {
  readonly enabled: boolean;
  /** How long after the last connection, in milliseconds. Needed where it is enabled. */
  readonly idleTimeoutMs?: number;
  /** Networks whose connections do not count. @defaultValue none */
  readonly ignoreSourceCidrs?: readonly string[];
  /** Ports within the instance whose connections do not count. @defaultValue none */
  readonly ignoreDestinationPorts?: readonly number[];
}

/** How a {@link RestartPolicy} is asked for. */
export interface RestartPolicyRequest {
  /** `never`: it is left Stopped. `always`: however it ended. `on_failure`: unless its exit code is 0. */
  readonly policy: 'never' | 'always' | 'on_failure';
  /** How long after an end it is started again, in milliseconds. @defaultValue 5000 */
  readonly backoffMs?: number;
  /** {@link RestartPolicy.maxBackoffMs}. @defaultValue none: the back-off stays the same */
  readonly maxBackoffMs?: number;
  /** After how many attempts in a row it is left Stopped; 0 is never. @defaultValue 0 */
  readonly maxAttempts?: number;
  /** How long it has to run for the attempts to be forgotten, in milliseconds. @defaultValue 600000, 10 minutes */
  readonly stableAfterMs?: number;
}

/** How a {@link HealthCheck} is asked for. */
export type HealthCheckRequest =
  | { readonly kind: 'none' }
  | ((
      | {
          readonly kind: 'http';
          readonly port: number;
          /** @defaultValue `'/'` */
          readonly path?: string;
          /** @defaultValue `'http'` */
          readonly scheme?: 'http' | 'https';
          /** @defaultValue 200 */
          readonly expectedStatus?: number;
        }
      | { readonly kind: 'tcp'; readonly port: number }
      | {
          readonly kind: 'exec';
          /** Program and arguments; exit code 0 tells health. */
          readonly command: readonly string[];
          /** @defaultValue where the program of the instance works */
          readonly cwd?: string;
        }
    ) & {
      /** From the end of a probe to the next, in milliseconds. @defaultValue 10000 */
      readonly intervalMs?: number;
      /** How long a probe may take, in milliseconds; not longer than the interval. @defaultValue 2000, or the interval */
      readonly timeoutMs?: number;
      /** How long after its start failures are not counted, in milliseconds. @defaultValue 30000 */
      readonly startPeriodMs?: number;
      /** How many failures in a row make it unhealthy. @defaultValue 3 */
      readonly failureThreshold?: number;
      /** How many successes in a row make it healthy. @defaultValue 1 */
      readonly successThreshold?: number;
    });

/** What to change; the rest stays. What concerns the machine takes effect at the next start. At least one field. */
export interface UpdateRequest extends DriverFields, PolicyRequests {
  /** Replaces all environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces all secrets ({@link CreateRequest.secrets}). */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Replaces all labels. */
  readonly tags?: Readonly<Record<string, string>>;
  /** How long a run may take, in milliseconds from its start; 0 is without end. It holds for the run that is under way too. */
  readonly runTimeoutMs?: number;
}

/** What to run from this start on, instead of what the spec says. */
export interface StartOverrides {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
}

/** Which instances to list, in which order, and how many of them. */
export interface ListOptions extends InstanceFilter {
  /** What they are sorted by; of those created in the same millisecond by their id too. @defaultValue `'createdAt'`, oldest first */
  readonly sortBy?: 'createdAt' | 'name';
  /** How many to emit at most, 1 to 1000000. @defaultValue all */
  readonly limit?: number;
  /**
   * The last instance of the page before, or its id, name and time: those that come after its place, whether or not it is still there.
   *
   * @defaultValue from the first on
   */
  readonly after?: Pick<Instance, 'id' | 'name' | 'createdAt'>;
}

/** How to fork. What is not said of the spec is the source's. */
export interface ForkRequest extends StartOverrides {
  /** Name of the fork. */
  readonly name: string;
  /** Replaces all environment variables. A fork that goes on from a memory has read the former ones already. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces all labels. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Whether the source may be running; it is put on standby while it is copied. @defaultValue false */
  readonly fromRunning?: boolean;
  /** State that the fork is brought to. @defaultValue the source's */
  readonly targetState?: 'Stopped' | 'Standby' | 'Running';
}
