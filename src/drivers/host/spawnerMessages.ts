import type { Output } from './outputMessages.js';

/** What to start. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Folders to go down from there, none of which may be a link. */
  readonly below?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /**
   * File to which stdout and stderr are appended, the pipes through which they are read into a log, or those that the one who asks opens
   * itself; `/dev/null` for nowhere.
   */
  readonly output: string | Output | Streams;
  readonly pool?: Pool;
  /** A file that it gets open for reading, as its descriptor 3. */
  readonly handedPath?: string;
  /** To what it is held from before its program begins. @defaultValue nothing */
  readonly limits?: Limits;
  /** As whom it runs, in none but these groups. @defaultValue as the spawner does */
  readonly user?: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  /** Where to keep what runs and how it ended. What has it outlives the one that asked for it; what has not is killed then. */
  readonly keep?: Keep;
}

/** What a process is held to, with all that it starts. A shell sees to it, and then becomes the program. */
export interface Limits {
  readonly groups: readonly LimitGroup[];
  /** How many files each process may have open. */
  readonly openFiles?: number;
  /** The program that enters the groups of a user, where there are any. */
  readonly setpriv?: string;
}

/** A control group that is made for one process, and removed after its end. */
export interface LimitGroup {
  /** In which folder. */
  readonly dir: string;
  /** How the kernel names that, where it is of cgroup v2. */
  readonly name?: string;
  /** What is written into its files; one that is optional may be missing. */
  readonly settings: readonly {
    readonly file: string;
    readonly value: string;
    readonly isOptional?: boolean;
  }[];
}

/** Pipes that the one who asks for a process reads and writes itself. */
export interface Streams {
  /**
   * A folder for them where none were made ahead, or where open ones can't be opened once more without a name (elsewhere than on Linux); it is made,
   * and removed with them.
   */
  readonly pipes: string;
  /** In this order. Without `stdin`, nothing is to be read there. */
  readonly names: readonly ('stdin' | 'stdout' | 'stderr')[];
}

/** A folder on the file system of the pipes, in which others may be made ahead. */
export interface Pool {
  readonly path: string;
  /** The name of the file by which it is known as ours; one without it is left alone. */
  readonly mark: string;
}

/** A file that says which process is an instance's, and how it ended. */
export interface Keep {
  /** It lies in a folder of its own, which is made. */
  readonly path: string;
  /** What its handle holds besides what its spawner knows. */
  readonly handle: object;
  /** A secret that proves who wrote how it ended: the file does not hold it. */
  readonly token: string;
  /** Where somebody who knows the secret may write until when what it leaves behind is to be spared. */
  readonly sparePath?: string;
  /** Where an earlier version kept that; removed. */
  readonly formerPath?: string;
}

/** An order to a spawner. */
export type Order =
  | { readonly kind: 'start'; readonly id: number; readonly command: Command }
  /** Lets a process run on whatever becomes of the one that asked for it, and reports nothing of it any more. */
  | { readonly kind: 'forget'; readonly id: number }
  /** Kills what a process leaves behind, should it end, only after that time from now. */
  | { readonly kind: 'spare'; readonly id: number; readonly graceMs: number }
  /** The one that asked for a process has opened its {@link Streams}, or does not want them: nobody else holds them open from now on. */
  | { readonly kind: 'opened'; readonly id: number }
  /** Removes what was made ahead, and closes the channel to the one that it serves. */
  | { readonly kind: 'close' }
  /** Reads what a process writes that another spawner has started, which is gone with its reader. */
  | { readonly kind: 'read'; readonly id: number; readonly output: Output };

/** A report of a spawner. */
export type Report =
  | {
      readonly kind: 'started';
      readonly id: number;
      readonly pid: number;
      readonly startTime: string;
      /** The control group that it was born in, as the kernel names it. */
      readonly group: string | undefined;
      /** The descriptors of the spawner that hold its {@link Streams}, until they are `opened`; absent where those have names. */
      readonly streams?: readonly number[] | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly message: string;
      readonly code: string | undefined;
      /** What it was about: the program, or a file. */
      readonly path: string | undefined;
    }
  | {
      readonly kind: 'ended';
      readonly id: number;
      readonly code: number | null;
      readonly signal: string | null;
      /** Whether it was the kernel's memory killer. */
      readonly oomKilled?: true;
    };
