import type { ExitStatus, InstanceSpec } from '../lifecycle/instance.js';
import type { Driver } from './driver.js';

/** What {@link driverContract} has to know of a driver to try it. */
export interface DriverSubject<D extends Driver = Driver> {
  /** Creates a driver; each case gets one of its own. Nothing of it is closed afterwards. */
  createDriver(): D;
  /** Absolute path of a folder in which the cases may make homes. They remove them again. */
  readonly homesDir: string;
  /** Tells, without asking the driver, whether a machine of this instance runs at this moment. */
  isRunning(driver: D, instanceId: string): boolean | Promise<boolean>;
  /** Ends the running machine of an instance from outside, as a crash would. */
  crash(driver: D, instanceId: string): void | Promise<void>;
  /** Fields of a request that the driver accepts. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Runs on until it is stopped, and says nothing of readiness. */
  readonly lasting: Specimen<D>;
  /** Ends by itself. */
  readonly ending: Specimen<D> & {
    /** How it ends. @defaultValue `{ code: 3, signal: null }` */
    readonly exit?: ExitStatus;
  };
  /** Becomes ready when it has run for some time, and runs on. */
  readonly slow: Specimen<D>;
  /** Runs on and never becomes ready. */
  readonly neverReady: Specimen<D>;
  /** Can be prepared and cannot be launched. */
  readonly broken: Specimen<D>;
  /** Does not end when it is asked to. Absent where every machine does. */
  readonly stubborn?: Specimen<D>;
  /** Writes the lines `one`, `two` and `three` to the first log, and runs on. Absent where the driver keeps no log. */
  readonly printing?: Specimen<D>;
  /**
   * Counts in its memory, from 1 on when it begins, again and again while it runs, and writes `count 1.`, `count 2.`, … to the
   * first log. `play` lets it count on, where it does not by itself. Absent where standby frees no memory.
   */
  readonly counting?: Specimen<D>;
  /**
   * Has `ports`, is ready once it listens on the first of them, and answers each connection there with the id of its instance, and ends it. Absent
   * where there is none to try.
   */
  readonly answering?: Specimen<D>;
  /** Programs to run beside a machine's own. Absent where it runs none, or there is none to try. */
  readonly execs?: ExecSpecimens<D>;
  /** In what files are reached. @defaultValue `lasting` */
  readonly filesWithin?: Specimen<D>;
  /** What to hold to limits. Absent where the driver holds nothing to any, or there is none to try. */
  readonly limits?: LimitSpecimens<D>;
  /** How to look into homes. Absent where nothing in a home is the instance's own. */
  readonly content?: HomeContent;
  /** Changes something in the folder of a snapshot, as a failing disk would. Absent where nobody can, or there are none. */
  damage?(driver: D, folder: string): void | Promise<void>;
  /** How long a case waits for what has to come, in milliseconds. @defaultValue 4000 */
  readonly patienceMs?: number;
}

/** Commands, each a program and its arguments. */
export interface ExecSpecimens<D extends Driver = Driver> {
  /** In what they run. @defaultValue `lasting` */
  readonly within?: Specimen<D>;
  /** Writes the line `out` to its output and `err` to its error output, and ends with 3. */
  readonly failing: readonly string[];
  /** Never ends. */
  readonly endless: readonly string[];
  /** Copies its input to its output. */
  readonly copying: readonly string[];
  /** Writes the value of the variable `EXEC_NAME` as a line. */
  readonly naming: readonly string[];
}

/** What is tried of the limits that a driver says it can hold; what is absent is not tried. */
export interface LimitSpecimens<D extends Driver = Driver> {
  /** Takes more memory than its `memoryMiB`. */
  readonly memoryMiB?: Specimen<D>;
  /** Has `cpus` of at most 0.5, and never rests. */
  readonly cpus?: Specimen<D> & {
    /** How much time of processors it has taken so far with all that it has started, in milliseconds. Asked without the driver. */
    usedMs(instanceId: string): number;
  };
  /** Has `pids`, starts more at a time than those, and ends with 3 where it could not. */
  readonly pids?: Specimen<D>;
  /** Has `openFiles`, opens more, and ends with 3 where it could not. */
  readonly openFiles?: Specimen<D>;
  /** Has a `user` that is not the one of this process, and ends with 3 if that is who runs it, and it may write where it works. */
  readonly user?: Specimen<D>;
}

/** Something that a driver can run. */
export interface Specimen<D extends Driver = Driver> {
  readonly spec: InstanceSpec;
  /** Plays the machine's part once it was launched, where it does not do so by itself. */
  play?(driver: D, instanceId: string): void;
}

/** Writes and reads what belongs to the instance in a home. */
export interface HomeContent {
  /** Puts a text there. */
  write(home: string, text: string): void;
  /** What was written last, to this home or to that which it was copied from. */
  read(home: string): string | undefined;
}
