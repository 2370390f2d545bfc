import type { Command } from './spawnerMessages.js';

/** A process that is held to limits. */
export interface Limited {
  /** What to start in the place of the program, as whom, and what to hand to it besides its streams. */
  readonly program: string;
  readonly args: readonly string[];
  readonly handed: readonly number[];
  readonly uid?: number;
  readonly gid?: number;
  /** Its control group, as the kernel names it, where that of cgroup v2 has limits. */
  readonly group: string | undefined;
  /** Closes what was handed to it. */
  letGo(): void;
  /** Whether an end like this was the work of the kernel's memory killer. */
  isOom(code: number | null, signal: string | null): boolean;
  /** Whether somebody is left in its groups. */
  isPopulated(): boolean;
  /** Kills what is left of it, and removes its groups. */
  end(): void;
}

/** What holds processes to limits. */
export interface SpawnerLimits {
  /** Removes the empty groups that others have left who are gone. */
  sweep(): void;
  /** Makes ready for a process whose first free descriptor is `firstFd`. */
  limit(command: Command, firstFd: number): Limited;
  /** Whether groups are being removed. */
  isBusy(): boolean;
}

/**
 * Makes {@link SpawnerLimits}. A part of the program of a spawner: whatever it uses is in it.
 *
 * A spawner enters no group that has limits: they would hold itself, and one that is full would kill it. So a shell enters them, by descriptors
 * that root has opened, whoever it is itself by then, and executes the program. What it sets in the environment it takes out of it again.
 */
export function spawnerLimits(
  dirs: readonly string[],
  spawner: { readonly pid: number; readonly startTime: string },
  onIdle: () => void,
): SpawnerLimits {
  const fs = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  // There is no RxJS here.
  const { setTimeout: later } = process.getBuiltinModule('node:timers');
  let made = 0;
  let removing = 0;

  const removeGroup = (dir: string, triesLeft: number): void => {
    removing += 1;
    fs.rmdir(dir, (error) => {
      removing -= 1;
      // What was killed takes a moment to be gone.
      if (error?.code !== 'EBUSY' || triesLeft === 0) {
        onIdle();
        return;
      }
      removing += 1;
      later(() => {
        removing -= 1;
        killIn(dir);
        removeGroup(dir, triesLeft - 1);
      }, 5);
    });
  };

  const membersOf = (dir: string): readonly number[] => {
    try {
      return fs.readFileSync(join(dir, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
    } catch {
      return [];
    }
  };

  const killIn = (dir: string): void => {
    for (const pid of membersOf(dir)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  };

  /** How often the kernel has killed somebody in a group for want of memory. */
  const oomKills = (dir: string): number => {
    for (const file of ['memory.oom_control', 'memory.events']) {
      try {
        const [, count] = /^oom_kill (\d+)$/m.exec(fs.readFileSync(join(dir, file), 'utf8')) ?? [];
        if (count !== undefined) return Number(count);
      } catch {
        // That is how the other version calls it.
      }
    }
    return 0;
  };

  const set = (path: string, value: string, isOptional = false): void => {
    try {
      fs.writeFileSync(path, value);
    } catch (error) {
      if (!isOptional) throw error;
    }
  };

  /** Whether it was made by one that is gone: one that lives may be about to use what it has made. */
  const isLeft = (name: string): boolean => {
    const [, pid, startTime] = /^rx-instances-limited\.(\d+)\.(\d+)\.\d+$/.exec(name) ?? [];
    if (pid === undefined) return false;
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] !== startTime;
    } catch {
      return true;
    }
  };

  const quiet = (variables: Readonly<Record<string, string>>): string => {
    const names = ['PWD', 'OLDPWD', 'SHLVL', '_'].filter((name) => !(name in variables));
    return names.length === 0 ? '' : `unset ${names.join(' ')}; `;
  };

  return {
    sweep: () => {
      for (const dir of dirs) {
        try {
          for (const name of fs.readdirSync(dir)) if (isLeft(name)) removeGroup(join(dir, name), 0);
        } catch {
          // It is no place any more.
        }
      }
    },

    limit: ({ program, args, env, limits, user }, firstFd) => {
      const isEntered = limits?.setpriv !== undefined;
      const as = user === undefined || isEntered ? {} : { uid: user.uid, gid: user.gid };
      if (limits === undefined) {
        const none = { handed: [], group: undefined, letGo: () => undefined, end: () => undefined };
        return { program, args, ...as, ...none, isOom: () => false, isPopulated: () => false };
      }
      const name = `rx-instances-limited.${String(spawner.pid)}.${spawner.startTime}.${String((made += 1))}`;
      const groups: string[] = [];
      const handed: number[] = [];
      const letGo = (): void => {
        for (const fd of handed.splice(0)) fs.closeSync(fd);
      };
      const end = (): void => {
        for (const dir of groups.splice(0)) {
          killIn(dir);
          removeGroup(dir, 100);
        }
      };
      try {
        for (const { dir, settings } of limits.groups) {
          const group = join(dir, name);
          fs.mkdirSync(group);
          groups.push(group);
          for (const { file, value, isOptional } of settings) set(join(group, file), value, isOptional);
          handed.push(fs.openSync(join(group, 'cgroup.procs'), fs.constants.O_WRONLY));
        }
        const fds = handed.map((_, index) => String(firstFd + index));
        const enter = fds.map((fd) => `echo 0 >&${fd} || exit 126; `).join('');
        const files =
          limits.openFiles === undefined ? '' : `ulimit -n ${String(limits.openFiles)} || exit 126; `;
        const close = fds.map((fd) => ` ${fd}>&-`).join('');
        const become =
          user === undefined || limits.setpriv === undefined
            ? []
            : [
                ...[limits.setpriv, '--reuid', String(user.uid), '--regid', String(user.gid)],
                ...['--groups', user.groups.join(), '--'],
              ];
        const unified = limits.groups.find((each) => each.name !== undefined)?.name;
        const counted = [...groups];
        return {
          program: '/bin/sh',
          args: ['-c', `${enter}${files}${quiet(env)}exec "$@"${close}`, 'sh', ...become, program, ...args],
          handed: [...handed],
          ...as,
          group: unified === undefined ? undefined : join(unified, name),
          letGo,
          // A shell that has seen its program end so ends with 137.
          isOom: (code, signal) =>
            (signal === 'SIGKILL' || code === 137) && counted.some((dir) => oomKills(dir) > 0),
          isPopulated: () => groups.some((dir) => membersOf(dir).length > 0),
          end,
        };
      } catch (error) {
        letGo();
        end();
        throw error;
      }
    },

    isBusy: () => removing > 0,
  };
}
