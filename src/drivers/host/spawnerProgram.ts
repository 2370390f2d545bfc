import type { Serializable } from 'node:child_process';
import type * as Crypto from 'node:crypto';
import type { Output } from './outputMessages.js';
import type { spawnerFiles } from './spawnerFiles.js';
import type { GroupsPlace, SpawnerGroups, spawnerGroups } from './spawnerGroups.js';
import type { Command, Keep, Order, Report, Streams } from './spawnerMessages.js';
import type { Limited, SpawnerLimits, spawnerLimits } from './spawnerLimits.js';
import type { SpawnerPipes, spawnerPipes } from './spawnerPipes.js';
import type { SpawnerReaders, spawnerReaders } from './spawnerReaders.js';

/** The parts of the program of a spawner, each of which stands alone. */
export interface SpawnerParts {
  readonly spawnerFiles: typeof spawnerFiles;
  readonly spawnerGroups: typeof spawnerGroups;
  readonly spawnerLimits: typeof spawnerLimits;
  readonly spawnerPipes: typeof spawnerPipes;
  readonly spawnerReaders: typeof spawnerReaders;
}

/**
 * The program of a spawner. It runs in a process of its own, to which nothing but its own text and that of its parts is handed:
 * whatever it uses is in it. When the one that it serves is gone, however that came, it kills what is not to outlive that one,
 * and ends once nothing that it has started is left.
 *
 * What instances write another process reads, with the program `outputText`: neither a slow disk nor many lines are to make a
 * start wait. The pipes are open here too, so that nothing is lost when that one is killed.
 *
 * What it starts is born into a control group of its own, where the system allows that: it is itself in the next one
 * already. Groups that have limits it never enters: the process itself does, before it becomes its program.
 */
export function spawnerProgram(
  parts: SpawnerParts,
  servedPid: number,
  place?: GroupsPlace,
  outputText?: string,
  limitDirs: readonly string[] = [],
): void {
  const { execFileSync, spawn } = process.getBuiltinModule('node:child_process');
  const fs = process.getBuiltinModule('node:fs');
  const { dirname, join } = process.getBuiltinModule('node:path');
  const { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } = fs.constants;
  // There is no RxJS here.
  const { setImmediate: nextTurn, setTimeout: later } = process.getBuiltinModule('node:timers');
  const isLinux = process.platform === 'linux';
  /** How long to wait before what failed is tried again. */
  const restMs = 50;
  const files = parts.spawnerFiles();
  const { readText, readFields, openFile, openFolder, goDown, makeFolder, removeFile, write, append } = files;

  /**
   * What the one that it serves has open without close-on-exec, lmdb its store for one, is inherited, and would be by all that
   * it starts. Node's own have the flag. It has set it on some that it was given, too; those that are files are not its own.
   */
  const closeInherited = (): void => {
    for (const fd of fs.readdirSync('/proc/self/fd').map(Number)) {
      try {
        const [, flags = ''] = /^flags:\s*(\d+)/m.exec(readText(`/proc/self/fdinfo/${String(fd)}`)) ?? [];
        const isNodes = (parseInt(flags, 8) & 0o2000000) !== 0 && !fs.fstatSync(fd).isFile();
        if (fd > 2 && !isNodes) fs.closeSync(fd);
      } catch {
        // That of the listing is closed by now.
      }
    }
  };
  // On macOS Node lets no child inherit more than it names.
  if (isLinux) closeInherited();

  interface Child {
    readonly end: () => void;
    outlives: boolean;
    /** Until when what it leaves behind may go on by itself; `0` where that is ended with it. */
    sparedUntil: number;
  }
  /** What is written down of something that runs. */
  interface KeptRun {
    readonly text: string;
    readonly tokenHash: string;
  }
  const children = new Map<number, Child>();

  const report = (it: Report): void => {
    // Whoever is gone needs no telling.
    if (process.connected) process.send?.(it satisfies Serializable, undefined, undefined, () => undefined);
  };

  const fail = (id: number, { message, code, path }: NodeJS.ErrnoException): void => {
    report({ kind: 'failed', id, message, code, path });
  };

  /** The kernel shows it sooner than the channel. */
  const isAlone = (): boolean => process.ppid !== servedPid;

  const killGroup = (pid: number): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  };

  /** In the words of the process table. One that has ended is there until its end was emitted, in a later turn. */
  const startTimeOf = (pid: number): string => {
    if (!isLinux) {
      return execFileSync('ps', ['-p', String(pid), '-o', 'lstart='], { encoding: 'utf8' }).trim();
    }
    const stat = readText(`/proc/${String(pid)}/stat`);
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  };
  const spawner = { pid: process.pid, startTime: startTimeOf(process.pid) };

  // Only where something is kept is there a need for it.
  const crypto = (): typeof Crypto => process.getBuiltinModule('node:crypto');
  const hashOf = (token: string): string => crypto().hash('sha256', token);

  const macOf = (token: string, what: readonly unknown[]): string =>
    crypto().createHmac('sha256', token).update(JSON.stringify(what)).digest('hex');

  /** Whether a later run has written there by now. */
  const isAnothers = (path: string, hash: string): boolean => {
    const { tokenHash } = readFields(path) as { readonly tokenHash?: unknown };
    return typeof tokenHash === 'string' && tokenHash !== hash;
  };

  /** How long somebody who has adopted a process wants what a process leaves behind to be spared, in milliseconds. */
  const sparedByFile = ({ token, sparePath }: Keep): number => {
    if (sparePath === undefined) return 0;
    const { until, mac } = readFields(sparePath) as { readonly until?: unknown; readonly mac?: unknown };
    if (typeof until !== 'number' || mac !== macOf(token, ['spare', until])) return 0;
    return until - Number(process.hrtime.bigint() / BigInt(1_000_000));
  };

  const textOf = (record: object): string => `${JSON.stringify(record)}\n`;

  const keepRun = ({ path, token, formerPath }: Keep, handle: object): KeptRun => {
    const tokenHash = hashOf(token);
    const text = textOf({ handle, spawner, tokenHash });
    write(path, text);
    if (formerPath !== undefined) removeFile(formerPath);
    return { text, tokenHash };
  };

  const keepExit = (
    { path, token }: Keep,
    { text, tokenHash }: KeptRun,
    code: number | null,
    signal: string | null,
    oom: { readonly oomKilled?: true },
  ): void => {
    const proven = [code, signal, ...(oom.oomKilled === true ? ['oom'] : [])];
    const exit = textOf({ exit: { code, signal, ...oom }, mac: macOf(token, proven) });
    const isKept = (): boolean => {
      try {
        return append(path, text, exit);
      } catch {
        return false;
      }
    };
    try {
      if (!isKept() && !isAnothers(path, tokenHash)) write(path, text + exit);
    } catch {
      // The home is gone by now, or damaged. Then nobody will know how it ended.
    }
  };

  /** Whether it fails for want of what others have now. */
  const isForNow = (error: unknown): boolean =>
    ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'].includes((error as NodeJS.ErrnoException).code ?? '');

  const isStreams = (output: string | Output | Streams): output is Streams =>
    typeof output !== 'string' && 'names' in output;

  /** Streams that the one that asked for them has not opened yet: what is written until then stays in them. */
  const unopened = new Map<number, { readonly streams: Streams; readonly held: readonly number[] }>();

  const letGo = (id: number): void => {
    const it = unopened.get(id);
    if (it === undefined) return;
    unopened.delete(id);
    if (!isLinux) pipes.removePipes(it.streams);
    for (const fd of it.held) fs.closeSync(fd);
  };

  const openStreams = (streams: Streams): readonly number[] => {
    const opened = pipes.openPipes(streams, O_RDWR);
    if (isLinux) pipes.removePipes(streams);
    return opened;
  };

  const openOutput = (output: string | Output | Streams): readonly number[] => {
    if (isStreams(output)) return openStreams(output);
    if (typeof output !== 'string') return pipes.openPipes(output, O_RDWR);
    if (output === '/dev/null') return [fs.openSync(output, O_WRONLY)];
    return [openFile(output, O_WRONLY | O_APPEND | O_CREAT)];
  };

  const start = (id: number, command: Command, streams?: readonly number[]): void => {
    const { cwd, below = [], env, output, handedPath, keep } = command;
    // Nobody could ever know of it.
    if (isAlone()) return;
    // Open within one turn only, so that a thousand starts at once hold one file open, not a thousand.
    let written = streams ?? openOutput(output);
    let held: readonly number[] = [];
    let handed: number | undefined;
    let place: number | undefined;
    let taken: string | undefined;
    let limited: Limited | undefined;
    try {
      if (handedPath !== undefined) handed = openFile(handedPath, O_RDONLY);
      if (keep !== undefined) makeFolder(dirname(keep.path));
      if (isLinux) {
        place = below.reduce(
          (folder, _, depth) => goDown(folder, join(cwd, ...below.slice(0, depth + 1))),
          openFolder(cwd),
        );
      }
      if (isStreams(output)) {
        held = written;
        written = pipes.endsOf(output, held);
      } else if (typeof output !== 'string') held = pipes.readEndsOf(written);
      const stdin = isStreams(output) && output.names.includes('stdin') ? written[0] : undefined;
      // Another user may open it anew, as /dev/stdin; what is written everybody may who comes there.
      if (stdin !== undefined && command.user !== undefined) fs.fchmodSync(stdin, 0o644);
      const [stdout = 'ignore', stderr = stdout] = stdin === undefined ? written : written.slice(1);
      limited = limits.limit(command, handed === undefined ? 3 : 4);
      const { uid, gid, group: limitedGroup, isOom, isPopulated, end: endLimited } = limited;
      const child = spawn(limited.program, limited.args, {
        cwd: place === undefined ? join(cwd, ...below) : `/proc/self/fd/${String(place)}`,
        env,
        detached: true,
        stdio: [
          stdin ?? 'ignore',
          stdout,
          stderr,
          ...(handed === undefined ? [] : [handed]),
          ...limited.handed,
        ],
        ...(uid !== undefined && { uid }),
        ...(gid !== undefined && { gid }),
      });
      child.once('error', (error) => {
        startAgainOrFail(id, command, error);
      });
      const { pid } = child;
      if (pid === undefined) return;
      const name = groups.current();
      taken = name;
      const end = (): void => {
        killGroup(pid);
        if (name !== undefined) groups.end(name);
        endLimited();
      };
      const known: Child = { end, outlives: keep !== undefined, sparedUntil: 0 };
      children.set(id, known);
      const isSpared = (): boolean => performance.now() < known.sparedUntil;
      const finish = (): void => {
        // Once that was done, its pid may be another's.
        if (children.get(id) !== known) return;
        children.delete(id);
        end();
      };
      /** The one that it serves sees to it too, and may be gone by then. */
      const finishInTime = (): void => {
        if (isSpared() && (isLeft(pid, name) || isPopulated())) {
          later(finishInTime, 50);
          return;
        }
        finish();
        endWhenDone();
      };
      try {
        const startTime = startTimeOf(pid);
        const group = limitedGroup ?? (name === undefined ? undefined : groups.nameOf(name));
        const handle = { pid, startTime, ...keep?.handle, ...(group !== undefined && { group }) };
        const run = keep && keepRun(keep, handle);
        child.once('exit', (code, signal) => {
          // Its groups are removed after that.
          const oom = isOom(code, signal) ? ({ oomKilled: true } as const) : {};
          afterThisTurn(() => {
            if (keep !== undefined && !isSpared()) known.sparedUntil = performance.now() + sparedByFile(keep);
            // What it has left: whoever is notified may be gone before it could see to that.
            if (!isSpared()) finish();
            // While what it wrote is read. Whoever is notified may remove the home: nobody writes there any more.
            if (keep !== undefined && run !== undefined) keepExit(keep, run, code, signal, oom);
            readers.onceRead(id, () => {
              report({ kind: 'ended', id, code, signal, ...oom });
              finishInTime();
            });
          });
        });
        // Looked at last: whoever looks for what the one that is gone has left finds all of it, or it is killed here.
        if (isAlone()) end();
        else
          report({
            kind: 'started',
            id,
            pid,
            startTime,
            group,
            ...(isLinux && isStreams(output) && { streams: held }),
          });
      } catch (error) {
        children.delete(id);
        end();
        throw error;
      }
      if (isStreams(output)) {
        unopened.set(id, { streams: output, held });
        held = [];
      } else if (typeof output !== 'string') {
        // Whoever waits for the start waits for none of that: what is written meanwhile is in the pipes.
        readers.follow(id, output, held);
        held = [];
      }
    } finally {
      for (const fd of [...written, ...held]) fs.closeSync(fd);
      if (handed !== undefined) fs.closeSync(handed);
      limited?.letGo();
      if (!children.has(id)) limited?.end();
      if (place !== undefined) fs.closeSync(place);
      if (taken !== undefined) groups.moveOn(taken);
    }
  };

  /** After a round of the event loop: what comes at once with an order, as an end that it leads to, is handled last. */
  const afterThisTurn = (then: () => void): void => {
    nextTurn(() => nextTurn(then));
  };

  /** Whether somebody is left of the group of a process, or of its control group. */
  const isLeft = (pid: number, name: string | undefined): boolean => {
    if (name !== undefined && groups.isPopulated(name)) return true;
    try {
      return process.kill(-pid, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM' && isLinux;
    }
  };

  const isBusy = (): boolean => limits.isBusy() || pipes.isBusy() || readers.isBusy();

  const endWhenDone = (): void => {
    if (process.connected || children.size > 0 || groups.isBusy() || isBusy()) return;
    if (!groups.quit()) readers.quit();
  };

  const startOrFail = (id: number, command: Command, streams?: readonly number[]): void => {
    // In the order in which they were asked for.
    groups.onceThere(() => {
      try {
        start(id, command, streams);
      } catch (error) {
        readers.onceOver(id, () => {
          startAgainOrFail(id, command, error as NodeJS.ErrnoException);
        });
      }
    });
  };

  const startAgainOrFail = (id: number, command: Command, error: NodeJS.ErrnoException): void => {
    if (isForNow(error) && readers.letAllGo()) {
      const { output } = command;
      later(() => {
        if (isStreams(output)) pipes.startPiped(id, command, output);
        else startOrFail(id, command);
      }, restMs);
    } else failStart(id, command.output, error);
  };

  const failStart = (id: number, output: string | Output | Streams, error: NodeJS.ErrnoException): void => {
    if (typeof output !== 'string') pipes.removePipes(output);
    fail(id, error);
  };

  process.on('message', (order: Order) => {
    if (order.kind === 'start') {
      const { output } = order.command;
      if (typeof output === 'string') startOrFail(order.id, order.command);
      else pipes.startPiped(order.id, order.command, output);
      return;
    }
    if (order.kind === 'read') {
      readers.follow(order.id, order.output);
      return;
    }
    if (order.kind === 'close') {
      pipes.emptyPools(() => {
        if (process.connected) process.disconnect();
      });
      return;
    }
    if (order.kind === 'opened') {
      letGo(order.id);
      return;
    }
    const child = children.get(order.id);
    if (child === undefined) return;
    if (order.kind === 'forget') child.outlives = true;
    else child.sparedUntil = performance.now() + order.graceMs;
  });

  process.on('disconnect', () => {
    for (const id of [...unopened.keys()]) letGo(id);
    pipes.emptyPools(endWhenDone);
    for (const [id, { end, outlives }] of [...children]) {
      if (outlives) continue;
      end();
      children.delete(id);
    }
    endWhenDone();
  });

  const groups: SpawnerGroups = parts.spawnerGroups(place, spawner, endWhenDone);
  const limits: SpawnerLimits = parts.spawnerLimits(limitDirs, spawner, endWhenDone);
  const pipes: SpawnerPipes = parts.spawnerPipes({
    ...{ files, failStart, isForNow },
    start: startOrFail,
    make: (paths, done) => {
      readers.make(paths, done);
    },
  });
  const readers: SpawnerReaders = parts.spawnerReaders({
    ...{ outputText, isForNow },
    openPipes: pipes.openPipes,
    outside: groups.outside,
    onIdle: endWhenDone,
  });
  // By now whoever reads has been started, in no group of an instance.
  groups.begin();
  limits.sweep();
}
