import type { AutoStandby } from './autoStandby.js';
import type { HealthCheck } from './healthCheck.js';
import type { RestartPolicy } from './restartPolicy.js';
import type { State } from './state.js';

/** A value that JSON can carry. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * How to tell that an instance is ready: a line of its log, an open TCP port, or an HTTP answer of status 200 to 399; and until
 * when it has to be.
 */
export type Readiness = (
  | {
      readonly kind: 'log';
      /**
       * Source of a regular expression that one line of the log has to match, at most 500 characters long. It is matched in
       * linear time, by RE2, so it has no look-around and no back-references, and few repetitions. Of a line of more than 4096
       * bytes each piece of that length is a line.
       */
      readonly pattern: string;
    }
  | {
      readonly kind: 'tcp';
      /** The `guest` of one of its `ports`; of a process also any port of 127.0.0.1 that is none of these. */
      readonly port: number;
    }
  | {
      readonly kind: 'http';
      /** The `guest` of one of its `ports`; of a process also any port of 127.0.0.1 that is none of these. */
      readonly port: number;
      /** Path, with its leading slash. */
      readonly path: string;
    }
) & {
  /**
   * How long it may be Initializing, in milliseconds from when it was started or restored. One that is not ready by then is
   * stopped, with its `stopGraceMs`, and that is told as an `exit` with `timedOut: 'readiness'`: what restarts after an `exit`
   * does so after this one too. The time is recorded ({@link Instance.readyBy}) and goes on while no manager is there; the next
   * one gives it 2 s at least to be found ready.
   *
   * @defaultValue none: it may take as long as it takes
   */
  readonly timeoutMs?: number;
};

/** A TCP port of an instance that is reached from this host. */
export interface ForwardedPort {
  /**
   * Port within the machine. A process has none of its own: there it only names the port, and the process listens where `PORT` and
   * `PORT_<guest>` of its environment say.
   */
  readonly guest: number;
  /**
   * Port of this host on which the front door listens for it; 0 is a free one. It stays the same over all runs. The machine itself
   * never listens there, but at a port of 127.0.0.1 that may be another one after each launch. @defaultValue 0
   */
  readonly host?: number;
  /**
   * From which state a connection to the front door wakes the instance: from Standby, from Stopped too, or from none.
   *
   * @defaultValue `'standby'`
   */
  readonly wake?: 'standby' | 'stopped' | 'never';
}

/**
 * What a request may say beyond {@link BaseSpec}, and the driver alone understands. A field that the chosen driver does
 * not know is a fault of the request.
 *
 * Authors of drivers add their own fields by merging into this interface:
 *
 * ```ts
 * declare module 'rx-instances' {
 *   interface DriverFields {
 *     readonly gpu?: string;
 *   }
 * }
 * ```
 */
export interface DriverFields {
  /** Program and leading arguments. Drivers: process, qemu. */
  readonly entrypoint?: readonly string[];
  /** Arguments after the entrypoint. Drivers: process, qemu. */
  readonly cmd?: readonly string[];
  /**
   * Where the program works: a path within the working directory that the instance has of its image, or the absolute path of a directory
   * of this host. The latter is used in place: nothing of it is copied or removed, a fork works there too, and snapshots are
   * refused with {@link NotSupported}. Drivers: process. @defaultValue the working directory
   */
  readonly cwd?: string;
  /**
   * When the instance counts as ready. Without it, it is ready once started. A port is one within the machine. Drivers:
   * memory, process, qemu.
   */
  readonly readiness?: Readiness;
  /** Signal that asks for an end. Drivers: process. @defaultValue `'SIGTERM'` */
  readonly stopSignal?: string;
  /**
   * How what it writes gets to its log. `pipes`: it is read, and kept as lines with time and stream, within the limits of the log
   * however much it is; who writes faster than that waits. `file`: it writes to the log itself, and never waits. Drivers: process.
   *
   * @defaultValue `'pipes'` on Linux; elsewhere there is `'file'` only
   */
  readonly output?: 'pipes' | 'file';
  /** How long a stop waits for the end before it kills, in milliseconds. Drivers: memory, process, qemu. @defaultValue 5000 */
  readonly stopGraceMs?: number;
  /**
   * Memory in MiB: that of a virtual machine, at least 16; or what a process and all that it starts may use together, at least 4, beyond which the
   * kernel kills one of them ({@link ExitStatus.oomKilled}). Drivers: process, qemu.
   *
   * @defaultValue of a virtual machine the image's, or 128; of a process no limit
   */
  readonly memoryMiB?: number;
  /**
   * How much time of processors it may take with all that it starts: 1 is all of one, 0.5 half of one, at least 0.01. Drivers: process.
   *
   * @defaultValue no limit
   */
  readonly cpus?: number;
  /** How many processes and threads there may be of it, itself included. Drivers: process. @defaultValue no limit */
  readonly pids?: number;
  /** How many files each of its processes may have open. Drivers: process. @defaultValue as many as one of the manager may */
  readonly openFiles?: number;
  /**
   * As whom it runs: the name or number of a user of this host, and after a colon that of a group, as Docker takes them. Without a group it is that
   * of the user, with the others that the user is in. A manager that is not root takes nobody but its own user. Drivers: process.
   *
   * @defaultValue the user of the manager
   */
  readonly user?: string;
  /** How many processors. Drivers: qemu. @defaultValue the image's, or 1 */
  readonly vcpus?: number;
  /** Arguments of the kernel after the image's. Drivers: qemu. @defaultValue none */
  readonly kernelArguments?: readonly string[];
  /** Ports that are reached from this host: at most 64, no `guest` and no `host` twice. Drivers: memory, process, qemu. @defaultValue none */
  readonly ports?: readonly ForwardedPort[];
  /** What runs the processors. Drivers: qemu. @defaultValue the image's, or KVM where it was seen to work, else TCG */
  readonly accel?: 'kvm' | 'tcg';
  /**
   * What the guest reaches. `isolated`: nothing but who comes by `ports`. `user`: whatever this host reaches, its own loopback
   * included. Drivers: qemu. @defaultValue `'isolated'`
   */
  readonly network?: 'isolated' | 'user';
}

/** What is told of secrets: everything but their values. */
export interface HeldSecrets {
  /** Another one whenever they are given other values. */
  readonly version: string;
  /** Their names, in order. */
  readonly names: readonly string[];
}
/** The fields of a spec that limit what its machine may use, and as whom. */
export type LimitName = 'memoryMiB' | 'cpus' | 'pids' | 'openFiles' | 'user';

/** What every instance is asked to be, whatever its driver. */
export interface BaseSpec {
  /** Kind of its driver: `memory`, `process`, … */
  readonly driver: string;
  /** What it starts from; its meaning is the driver's. */
  readonly image: string;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Which secrets it has. Their values are kept apart and told to nobody but its machine. @defaultValue none
   */
  readonly secrets?: HeldSecrets;
  /** Labels to find it by: at most 50. */
  readonly tags: Readonly<Record<string, string>>;
  /**
   * How long a run may take, in milliseconds from its recorded start ({@link Instance.startedAt}); 0 is without end. When it is over, the
   * instance is stopped, with its `stopGraceMs`, and that is told as an `exit` with `timedOut: 'run'`. Time on Standby and
   * without a manager counts too; what stands by is stopped once it goes on.
   *
   * @defaultValue 0
   */
  readonly runTimeoutMs?: number;
  /** Whether it is put on standby when nobody is connected to it. @defaultValue it is not */
  readonly autoStandby?: AutoStandby;
  /** Whether it is started again when it ends by itself. @defaultValue it is not */
  readonly restartPolicy?: RestartPolicy;
  /** How it is found out whether it does its work. @defaultValue nobody asks */
  readonly healthCheck?: HealthCheck;
  /** When it is deleted, as Unix time in milliseconds. Copies of it do not have it. @defaultValue never */
  readonly expiresAt?: number;
}

/** What an instance is asked to be. */
export type InstanceSpec = BaseSpec & DriverFields;

/** How a machine ended: the exit code, or the signal that killed it; both `null` when nobody can tell any more. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: string | null;
  /**
   * Present where the manager stopped it because its time was over: to become ready (`timeoutMs` of its {@link Readiness}), or
   * to run ({@link BaseSpec.runTimeoutMs}). Code and signal tell how it ended then. A manager that is killed while it stops it
   * leaves that unsaid.
   */
  readonly timedOut?: 'readiness' | 'run';
  /** Present where the kernel killed it, or what it waited for, since it used all of its `memoryMiB`. */
  readonly oomKilled?: true;
  /** Present where a `stop` ended it: who asked for that, as {@link Cause.by} of its event. */
  readonly stoppedBy?: string;
}

/** An end of which nobody knows how it came. */
export const unknownExit: ExitStatus = { code: null, signal: null };

/** Plain JSON by which a driver finds a machine again, `pid` included where there is one. */
export interface MachineHandle {
  readonly pid?: number;
  readonly [field: string]: Json | undefined;
}

/** One thing with a lifecycle, as it was at one revision; deeply frozen. Times are Unix times in milliseconds. */
export interface Instance {
  /** CUID2: 24 lower-case letters and digits. */
  readonly id: string;
  /** Unique among the manager's instances. */
  readonly name: string;
  readonly spec: InstanceSpec;
  readonly state: State;
  /** Why the state is `Unknown`. */
  readonly stateError?: string;
  /** +1 per change; of two views the one with the higher revision is newer. */
  readonly revision: number;
  readonly createdAt: number;
  /** When it was last started. */
  readonly startedAt?: number;
  /** By when it has to be ready, while it is Initializing and its `readiness` sets a time. */
  readonly readyBy?: number;
  /** When it last came to a stop. */
  readonly stoppedAt?: number;
  /** How its last run ended. */
  readonly exit?: ExitStatus;
  /** Its machine, while it has one. */
  readonly handle?: MachineHandle;
  /** `false` where its machine came to stand still before it was ready: when it goes on it is Initializing. Else absent. */
  readonly wasReady?: false;
}
