import type { InstanceSpec, Json } from './instance.js';

/** What an instance was at one moment, kept apart from it; it never changes, and outlives its instance. Deeply frozen. */
export interface Snapshot {
  /** CUID2: 24 lower-case letters and digits. */
  readonly id: string;
  /** The instance that it was taken of, which may be gone. */
  readonly instanceId: string;
  /** The instance's name when it was taken. */
  readonly instanceName: string;
  /** Unique among the snapshots of one instance. */
  readonly name?: string;
  /** The state in which the instance was copied: with its memory (`Standby`), or without. */
  readonly kind: 'Stopped' | 'Standby';
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** The instance's spec when it was taken. */
  readonly spec: InstanceSpec;
  /** Labels of its own. */
  readonly tags: Readonly<Record<string, string>>;
  /** Bytes that its files take. */
  readonly size: number;
  /** Hash of its files, by which damage is found. */
  readonly hash: string;
  /** What its driver needs to make a machine of it; nobody else reads it. */
  readonly data: Json;
}
