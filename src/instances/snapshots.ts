import type { Observable } from 'rxjs';
import type { ChangeAndLaunchOptions, ChangeOptions, LaunchOptions, MutationOptions } from './callOptions.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';

/** How to take a snapshot. */
export interface CreateSnapshotRequest {
  /**
   * What is kept: `Stopped` is the files of a Stopped instance; `Standby` its memory too, where the driver can keep it, of an
   * instance on Standby or a Running one.
   */
  readonly kind: Snapshot['kind'];
  /** Spelt like the name of an instance; unique among the snapshots of one instance. @defaultValue none */
  readonly name?: string;
  /** At most 50 labels. @defaultValue none */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Which snapshots to list; several conditions must all hold. */
export interface SnapshotFilter {
  /** Id of the instance that they were taken of, which may be gone. */
  readonly instanceId?: string;
  readonly kind?: Snapshot['kind'];
  readonly name?: string;
  /** Labels that a snapshot has to have, with these values. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** How to make a new instance of a snapshot. What is not said of the spec is the snapshot's. */
export interface ForkSnapshotRequest {
  /** Name of the fork. */
  readonly name: string;
  /** Replaces all environment variables. A fork that goes on from a memory has read the former ones already. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces all labels. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** State that the fork is brought to. @defaultValue the snapshot's kind */
  readonly targetState?: 'Stopped' | 'Standby' | 'Running';
}

/** How to bring an instance back to a snapshot. */
export interface RestoreSnapshotRequest {
  /**
   * State that the instance is brought to; `Standby` for a snapshot of this kind only.
   *
   * @defaultValue `Running` for the kind `Standby`, else `Stopped`
   */
  readonly targetState?: 'Stopped' | 'Standby' | 'Running';
}

/**
 * The verbs of snapshots. A snapshot is what an instance was at one moment: its spec and its files, kept apart, so that it
 * outlives the instance. It never changes; before each use it is held against what was taken: all of it is read, but a driver may
 * leave out what it has read before and nobody has written to since.
 *
 * What stands at {@link Instances} goes for these verbs too. A snapshot is looked up by its id. One that is in use is deleted
 * after that.
 *
 * @example
 * ```ts
 * import { openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
 * await firstValueFrom(manager.stop('web'));
 * const { id } = await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' }));
 * const fork = await firstValueFrom(manager.forkSnapshot(id, { name: 'web-2', targetState: 'Running' }));
 * fork.state; // => 'Running'
 * await manager.close();
 * ```
 */
export interface Snapshots {
  /**
   * Takes a snapshot, publishes `create_snapshot`, and emits it. A Running source is put on standby while it is copied and
   * restored after, and these two are published before. Also fails with {@link NotSupported}, and {@link NameTaken}; no file is left
   * then.
   */
  createSnapshot(
    idOrName: string,
    request: CreateSnapshotRequest,
    options?: ChangeOptions,
  ): Observable<Snapshot>;
  /** Emits the snapshots for which the filter holds, oldest first. */
  listSnapshots(filter?: SnapshotFilter): Observable<readonly Snapshot[]>;
  /** Emits a snapshot. Fails with {@link SnapshotNotFound}. */
  getSnapshot(snapshotId: string): Observable<Snapshot>;
  /** Deletes a snapshot with its files, publishes `delete_snapshot`, and emits it as it was. Also fails with {@link SnapshotNotFound}. */
  deleteSnapshot(snapshotId: string, options?: MutationOptions): Observable<Snapshot>;
  /**
   * Makes a new instance of a snapshot, brings it to its state, publishes `fork` with the `snapshotId`, and emits it. Also fails with
   * {@link SnapshotNotFound}, {@link SnapshotDamaged}, {@link SnapshotIncompatible}, {@link NameTaken}, {@link LaunchFailed},
   * {@link NotSupported}; nothing of the fork is left then.
   */
  forkSnapshot(
    snapshotId: string,
    request: ForkSnapshotRequest,
    options?: LaunchOptions,
  ): Observable<Instance>;
  /**
   * Brings a Stopped or Standby instance back to a snapshot of its own: files and spec are the snapshot's, id and name stay.
   * Publishes one `restore`, with the state that was reached and the `snapshotId`. Also fails with {@link SnapshotNotFound},
   * {@link SnapshotDamaged}, {@link SnapshotIncompatible}, {@link LaunchFailed}, {@link NotSupported}; the files are the former ones then, and an
   * instance on Standby whose machine has been ended for it is Stopped, which an `exit` tells.
   */
  restoreSnapshot(
    idOrName: string,
    snapshotId: string,
    request?: RestoreSnapshotRequest,
    options?: ChangeAndLaunchOptions,
  ): Observable<Instance>;
}
