import type { DriverFields, Instance } from '../lifecycle/instance.js';
import type { InstanceFilter } from '../streams/instanceFilter.js';

/** What to create. */
export interface CreateRequest extends DriverFields {
  /** 1 to 63 lower-case letters, digits and inner hyphens; unique. */
  readonly name: string;
  /** What it starts from; for `process` a directory, or `scratch` for an empty one. */
  readonly image: string;
  /** Kind of driver. @defaultValue the only driver of the manager, if it has one only */
  readonly driver?: string;
  /** Environment variables. @defaultValue none */
  readonly env?: Readonly<Record<string, string>>;
  /** At most 50 labels. @defaultValue none */
  readonly tags?: Readonly<Record<string, string>>;
  /** How long a run may take, in milliseconds: {@link BaseSpec.runTimeoutMs}. @defaultValue 0, without end */
  readonly runTimeoutMs?: number;
}

/** What to change; the rest stays. What concerns the machine takes effect at the next start. At least one field. */
export interface UpdateRequest extends DriverFields {
  /** Replaces all environment variables. */
  readonly env?: Readonly<Record<string, string>>;
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
