import type { Either } from 'fp-ts/lib/Either.js';
import type { Observable } from 'rxjs';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { Fault } from '../lifecycle/errors.js';
import type {
  FileReader,
  FileWriter,
  MkdirOptions,
  RemoveOptions,
  WriteOptions,
} from '../lifecycle/fileAccess.js';
import type { FileStat } from '../lifecycle/fileStat.js';
import type { FileTree } from '../lifecycle/fileTree.js';
import type { Execution, ExecProgram } from '../lifecycle/execution.js';
import type {
  DriverFields,
  ExitStatus,
  InstanceSpec,
  LimitName,
  MachineHandle,
} from '../lifecycle/instance.js';
import type { LogLine, LogOptions } from '../lifecycle/logLine.js';
import type { Snapshot } from '../lifecycle/snapshot.js';

/**
 * Name of the file by which a folder that a driver has made is known as ours: a home, the folder of a snapshot. It is written
 * before anything else is laid in it. What nobody knows any more is removed only where it is there.
 */
export const ownMark = '.rx-instances';

/**
 * What is being removed bears its name with this at the end. A removal that was cut off has left it so, with the
 * {@link ownMark} to the last, and `discard` of what bore the name goes on with it.
 */
export const removedSuffix = '.removed';

/**
 * Runs machines of one kind. A driver knows nothing of states, events or stores: it does what it is asked to, and emits
 * what machines do as {@link MachineSignal} values. `driverContract` (in `rx-instances/testing`) holds every driver to what is written here.
 *
 * Every method returns a cold Observable: nothing happens before subscribe. Those of type `Observable<never>` complete
 * when the work is done. Failures are errors whose `message` a user can read.
 */
export interface Driver {
  /** The name by which requests choose it. */
  readonly kind: string;
  readonly capabilities: Capabilities;
  /**
   * Whether its homes are folders on disk, which are left when this process ends without more ado. A manager without a `dataDir`
   * then marks where they lie, and the next one removes them.
   *
   * @defaultValue false
   */
  readonly leavesFiles?: boolean;
  /** Decodes the fields of a request that are not common to all drivers; on the left is every fault, paths included. */
  decode(fields: Readonly<Record<string, unknown>>): Either<readonly Fault[], DriverFields>;
  /**
   * Makes and fills the instance's home: from its image, or from the home of another instance that does not run at this
   * moment or stands still. When it fails, no file is left.
   */
  prepare(plan: PreparePlan): Observable<never>;
  /**
   * Starts one machine in a prepared home and emits it once it has started, ready or not, then completes. A memory that the
   * home holds is removed. After an unsubscribe before that, a machine that comes up nevertheless is killed.
   */
  launch(plan: LaunchPlan): Observable<Machine>;
  /**
   * Finds a machine again by its handle, and emits it. One that has ended meanwhile is emitted too where the driver
   * knows how it ended; else it fails.
   */
  adopt(plan: AdoptPlan, handle: MachineHandle): Observable<Machine>;
  /**
   * Starts a machine that goes on where the one was that was suspended in this home, and emits it, halted; `thaw` lets it go
   * on. Until then the home holds the memory as before, so that killing it undoes all. Fails with `SnapshotIncompatible`
   * when the memory can't be resumed from. Absent where the memory of a machine cannot be kept.
   */
  resume?(plan: LaunchPlan): Observable<Machine>;
  /** Removes the memory that a home holds; a home without one is passed over. Absent where `resume` is. */
  forget?(home: string): Observable<never>;
  /**
   * Ends what still runs in a home though nobody holds it: it was launched by a process that ended before it could keep the
   * handle. Nothing of the home is removed. Absent where every machine ends with the process that launched it.
   */
  reclaim?(home: string): Observable<never>;
  /** Removes the instance's home with all that is in it; one that does not exist is removed already. */
  discard(home: string): Observable<never>;
  /**
   * Releases what it holds besides machines, as far as no machine needs it; the driver may be used again. Absent where there is
   * no such thing.
   */
  close?(): Observable<never>;
  /** Reads a log of the instance, line by line; works on the home alone, whether or not a machine runs. */
  logs(home: string, options: LogReading): Observable<LogLine>;
  /**
   * The files of an instance, whether or not it runs, unless {@link Capabilities.filesNeedMachine}. Failures are `FileFailed`. No path leads out of them, whatever a program of the instance puts in
   * the place of what meanwhile: no link is followed. Absent where the driver can't reach them.
   */
  files?(plan: LaunchPlan): DriverFiles;
  /** How to take snapshots of homes and bring them back; absent where the driver has no such thing. */
  readonly snapshots?: Snapshotting;
}

/**
 * What can be done with files. Paths begin at the top of the instance's files, have no empty part, and none that is `.` or `..`; the empty one is the
 * top itself.
 */
export interface DriverFiles {
  /** Opens a plain file, and emits what it is read by. Completes once all was read; an unsubscribe closes it. */
  read(path: string): Observable<FileReader>;
  /**
   * Begins a file, and emits what it is written by. Completes once it is finished, with what was there before replaced at once; after an unsubscribe
   * before that nothing has changed.
   */
  write(path: string, options: WriteOptions): Observable<FileWriter>;
  /** Emits what is in a directory, in the order of its names. */
  list(path: string): Observable<readonly FileStat[]>;
  /** Emits what lies at a path; of a link, the link itself. */
  stat(path: string): Observable<FileStat>;
  /** Makes a directory, and emits it. */
  mkdir(path: string, options: MkdirOptions): Observable<FileStat>;
  /** Removes something, and emits what it was. */
  remove(path: string, options: RemoveOptions): Observable<FileStat>;
  /** Gives something another path, in the place of a file that was there, and emits it. */
  rename(from: string, to: string): Observable<FileStat>;
  /**
   * Opens a directory for a copy of much that is in it, and emits its tree; an unsubscribe closes it. Absent where such copies can't be made.
   */
  tree?(path: string): Observable<FileTree>;
}

/** What a driver can do, said in advance. */
export interface Capabilities {
  /** What standby gives back to the host: `nothing` where the driver has no standby, CPU time, or memory too. */
  readonly standbyFrees: 'nothing' | 'cpu' | 'memory';
  /** Names of the logs that it keeps. The first is the default. */
  readonly logs: readonly string[];
  /**
   * Names of the signals that its machines take, as the operating system knows them, `SIGKILL` among them; every machine has
   * {@link Machine.signal} then.
   *
   * @defaultValue none
   */
  readonly signals?: readonly string[];
  /**
   * Whether its machines have TCP ports that are reached from this host; every machine has {@link Machine.ports} then, and the field
   * `ports` says which.
   *
   * @defaultValue false
   */
  readonly ports?: boolean;
  /**
   * Whether its machines run programs beside their own; every machine that has not ended has {@link Machine.exec} then.
   *
   * @defaultValue false
   */
  readonly execs?: boolean;
  /**
   * Whether the files of an instance are reached only while a machine of it runs; {@link Driver.files} fails without one then.
   *
   * @defaultValue false
   */
  readonly filesNeedMachine?: boolean;
  /**
   * The limits of a spec that it holds machines to on this host, with all that they start, and the programs that run beside them. `decode` refuses
   * the others by their names, and says what they would need.
   *
   * @defaultValue none
   */
  readonly limits?: readonly LimitName[];
}

/** What a driver runs. */
export interface LaunchPlan {
  readonly instanceId: string;
  readonly name: string;
  readonly spec: InstanceSpec;
  /**
   * Variables for the machine beside those of the spec, before which they come. They are written nowhere else than where the machine itself reads them.
   * Given where a machine is launched, resumed or adopted.
   *
   * @defaultValue none
   */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Absolute path of the instance's own folder. */
  readonly home: string;
  /**
   * Absolute path of a folder on the file system of all homes, in which a driver may make ahead what a later launch then only
   * has to move into its home. It need not be there yet, and should be empty, or gone, once the driver is closed.
   *
   * @defaultValue nothing is made ahead
   */
  readonly pool?: string;
  /**
   * Whether the machine runs on when this process ends, to be adopted later; otherwise it should end with it, however that
   * comes, as far as the driver can see to it.
   *
   * @defaultValue false
   */
  readonly outlives?: boolean;
}

/** What a driver adopts. */
export interface AdoptPlan extends LaunchPlan {
  /** Whether it has been ready before: a driver need not wait for that again. @defaultValue false */
  readonly isReady?: boolean;
}

/** What a driver prepares before the first launch. */
export interface PreparePlan extends LaunchPlan {
  /** Home to copy from, for a fork; without it the home is filled from `spec.image`. */
  readonly copyOf?: string;
  /** As what it is copied: `Standby` with the memory, where the driver can keep it. @defaultValue `'Stopped'` */
  readonly kind?: Snapshot['kind'];
}

/** What a driver reads of a log: `tail` is `Infinity` for all lines. */
export interface LogReading
  extends Required<Pick<LogOptions, 'source' | 'tail'>>, Pick<LogOptions, 'stream' | 'since' | 'after'> {
  /**
   * Where it is there, new lines are emitted as they are written. Once it emits, those follow that are written by then, the
   * last one finished or not, and the Observable completes.
   */
  readonly followUntil$?: Observable<unknown>;
}

/** One running thing held by a driver. */
export interface Machine {
  readonly handle: MachineHandle;
  /**
   * What the machine does by itself. Every subscriber gets what was emitted before, too. `ready` comes at most once, and
   * at once where the spec asks for no readiness; `exit` comes once, last, then the stream completes. It never errors.
   */
  readonly signals$: Observable<MachineSignal>;
  /** Reads the state of the machine now. Emits one status; an error means that it can't be known. */
  inspect(): Observable<MachineStatus>;
  /** Asks it to end, kills it after `graceMs`, and emits how it ended. One that has ended answers at once. */
  stop(options: { readonly graceMs: number }): Observable<ExitStatus>;
  /** Ends it at once, with all that it started, and emits how it ended. One that has ended answers at once. */
  kill(): Observable<ExitStatus>;
  /**
   * Stops watching it: it runs on, to be adopted later, and nothing of it is held here any more. Its signals complete, and
   * nothing else may be asked of it. Absent where nothing of a machine keeps Node alive.
   */
  detach?(): void;
  /** How to halt and resume it; absent where the driver has no such thing. */
  readonly freezing?: Freezing;
  /**
   * Sends one of {@link Capabilities.signals} to everything that the machine runs, and completes once it is sent; what comes of it is
   * emitted as whatever the machine does by itself. Fails for one that has ended. Absent where machines take no signals.
   */
  signal?(name: string): Observable<never>;
  /**
   * Runs a program beside its own, where and as that was started, if nothing else is said, and emits it once it runs; completes once nothing of it is
   * left, and all that it wrote was read. It is killed with all that it has started and left behind when it ends, when this is unsubscribed, when the machine ends or is
   * detached, and when this process ends. It stands still with the machine. Fails with `ExecFailed` where it can't be started, with `NotSupported` where this
   * machine is not made for it, though others are. Absent where machines run
   * no such thing.
   */
  exec?(program: ExecProgram): Observable<Execution>;
  /** Where its ports are reached; absent where the driver has no such thing. */
  readonly ports?: Ports;
}

/** The ports that a machine has since its launch. They stay where they are as long as it runs, whoever adopts it. */
export interface Ports {
  /**
   * Where connections to a port within the machine go, whether or not somebody listens there by now: an address of this host that
   * it shares with no other machine. `undefined` for a port that was not among its `ports` when it was launched.
   */
  addressOf(guest: number): Endpoint | undefined;
}

/** Halts a machine and resumes it where it was. Each may be repeated without effect. */
export interface Freezing {
  /** Halts it: nothing of it runs when this completes. */
  freeze(): Observable<never>;
  /** Resumes it. From then on a memory that its home holds is void. */
  thaw(): Observable<never>;
  /**
   * Halts it and keeps its memory in its home: once it is killed, {@link Driver.resume} starts another where it was. When it
   * fails, the machine runs on. Absent where the memory of a machine cannot be kept.
   */
  suspend?(): Observable<never>;
}

/**
 * Keeps what homes hold in folders of their own, which never change once they are made, and makes homes of them. What lies
 * in such a folder, only the driver knows.
 */
export interface Snapshotting {
  /**
   * The kinds that it can take. Of a `Standby` the memory is in it too: what is launched in a home that was made of it goes
   * on where it was.
   */
  readonly kinds: readonly Snapshot['kind'][];
  /**
   * Copies the home of an instance that does not run at this moment, or stands still, into a folder that is not there yet.
   * When it fails, no file is left.
   */
  take(plan: SnapshotPlan): Observable<never>;
  /** Sees to it that nothing of a folder that was taken changes any more, and emits what it holds, once it is on disk. */
  seal(folder: string): Observable<SnapshotContent>;
  /** Compares a folder with what `seal` emitted, and emits every difference, once; none when it is sound. */
  check(folder: string, content: SnapshotContent): Observable<readonly Fault[]>;
  /** Makes and fills the instance's home from a folder. When it fails, no file is left. */
  layOut(plan: SnapshotPlan, content: SnapshotContent): Observable<never>;
  /**
   * Puts a folder's content in the place of what the home of an instance that does not run holds, logs excepted, and emits
   * once it is there. At every moment the home holds all of the one, or all of the other. When it fails, nothing has changed.
   */
  replace(plan: SnapshotPlan, content: SnapshotContent): Observable<Replacement>;
  /** Brings a home in order in which a replacement was cut off: all of the one is left, or all of the other. */
  mend(home: string): Observable<never>;
  /** Removes a folder; one that does not exist is removed already. */
  discard(folder: string): Observable<never>;
}

/** Which home is taken, or made. */
export interface SnapshotPlan extends LaunchPlan {
  /** Absolute path of the snapshot's own folder. */
  readonly folder: string;
  /** As what it is taken, or made; `Stopped` leaves out the memory that the folder of a `Standby` holds. */
  readonly kind: Snapshot['kind'];
}

/** What a snapshot's folder holds. */
export type SnapshotContent = Pick<Snapshot, 'size' | 'hash' | 'data'>;

/** A replacement that is done, and can be undone until it is kept. */
export interface Replacement {
  /** Removes what was there before. */
  keep(): Observable<never>;
  /** Brings back what was there before. */
  undo(): Observable<never>;
}

/** What a machine does by itself. */
export type MachineSignal =
  | { readonly kind: 'ready' }
  | { readonly kind: 'exit'; readonly exit: ExitStatus }
  | { readonly kind: 'lost'; readonly reason: string };

/** What {@link Machine.inspect} emits. */
export type MachineStatus =
  | { readonly kind: 'running'; readonly ready: boolean }
  | { readonly kind: 'frozen' }
  /** It has ended inside, and is still there. */
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'ended'; readonly exit: ExitStatus };
