/** Where a spawner may make control groups: the one that it is in itself. */
export interface GroupsPlace {
  /** Its folder. */
  readonly dir: string;
  /** How the kernel names it. */
  readonly name: string;
}

/** The control groups that a spawner makes for what it starts; none where there is no place for them. */
export interface SpawnerGroups {
  /** Removes the empty groups that others have left, and enters one. */
  begin(): void;
  /** The group that it is in, for what starts next; `undefined` where it makes none, or is on its way to it. */
  current(): string | undefined;
  /** How the kernel names a group. */
  nameOf(name: string): string;
  /** Enters a group for what starts next, and leaves the one that it was in. */
  moveOn(left?: string): void;
  /** Does something as soon as it is in a group, in the order in which that was asked for. */
  onceThere(work: () => void): void;
  /**
   * Does something in none of the groups: whatever is started there must not halt or end with an instance. On the way to another
   * group it throws EAGAIN.
   */
  outside<T>(work: () => T): T;
  /** Whether a process is left in a group. */
  isPopulated(name: string): boolean;
  /** Kills what is left in a group, and removes it. */
  end(name: string): void;
  /** Whether something of all this goes on. */
  isBusy(): boolean;
  /** Leaves the last group, and returns whether that is on its way. */
  quit(): boolean;
}

/**
 * Makes {@link SpawnerGroups}. A part of the program of a spawner: whatever it uses is in it. To enter a group the kernel may have
 * to wait for 10 ms, so that is done beforehand, beside all else.
 */
export function spawnerGroups(
  place: GroupsPlace | undefined,
  spawner: { readonly pid: number; readonly startTime: string },
  onIdle: () => void,
): SpawnerGroups {
  const fs = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  // There is no RxJS here.
  const { setTimeout: later } = process.getBuiltinModule('node:timers');

  let next: string | undefined;
  let isMoving = false;
  let isStarting = false;
  /** What waits until it is there. */
  const waiting: (() => void)[] = [];
  /** The groups in which it is, or may be: to end one of these would end itself. */
  const around = new Set<string>();
  /** Those of them that are to be ended as soon as it has left. */
  const over = new Set<string>();
  let made = 0;
  let removing = 0;

  const pathIn = (name: string, ...rest: readonly string[]): string => join(place?.dir ?? '', name, ...rest);

  const moveOn = (left?: string, triesLeft = 3): void => {
    next = undefined;
    isMoving = true;
    const name = `rx-instances.${String(spawner.pid)}.${spawner.startTime}.${String((made += 1))}`;
    around.add(name);
    const entered = (error: NodeJS.ErrnoException | null): void => {
      if (error !== null) {
        around.delete(name);
        remove(name, 0);
        // Somebody who clears empty groups away may have been quicker.
        if (triesLeft > 1 && (error.code === 'ENOENT' || error.code === 'ENODEV')) {
          moveOn(left, triesLeft - 1);
          return;
        }
      } else next = name;
      isMoving = false;
      if (left !== undefined && (next !== undefined || leave())) {
        around.delete(left);
        if (over.delete(left)) endGroup(left);
      }
      startWaiting();
      onIdle();
    };
    try {
      fs.mkdirSync(pathIn(name));
      const [path, pid] = [pathIn(name, 'cgroup.procs'), String(process.pid)];
      if (waiting.length === 0) {
        fs.writeFile(path, pid, entered);
        return;
      }
      // Soon after another it takes a tenth of a turn of a thread, and somebody waits for it.
      fs.writeFileSync(path, pid);
    } catch (error) {
      entered(error as NodeJS.ErrnoException);
      return;
    }
    entered(null);
  };

  const startWaiting = (): void => {
    if (isStarting) return;
    isStarting = true;
    while (waiting.length > 0 && !isMoving) waiting.shift()?.();
    isStarting = false;
  };

  /** Goes back to where it was started, and returns whether it is there: what it has started must not hold it. */
  const leave = (): boolean => {
    try {
      fs.writeFileSync(pathIn('cgroup.procs'), String(process.pid));
      return true;
    } catch {
      return false;
    }
  };

  /** Not at once: while a process anywhere changes its group, the kernel lets whoever makes or removes one wait. */
  const remove = (name: string, triesLeft: number): void => {
    removing += 1;
    fs.rmdir(pathIn(name), (error) => {
      removing -= 1;
      // What was killed takes a moment to be gone.
      if (error?.code !== 'EBUSY' || triesLeft === 0) {
        onIdle();
        return;
      }
      removing += 1;
      later(() => {
        removing -= 1;
        remove(name, triesLeft - 1);
      }, 5);
    });
  };

  const isPopulated = (name: string): boolean => {
    try {
      return fs.readFileSync(pathIn(name, 'cgroup.events'), 'utf8').includes('populated 1');
    } catch {
      return false;
    }
  };

  const endGroup = (name: string): void => {
    if (around.has(name)) {
      over.add(name);
      return;
    }
    if (!isPopulated(name)) {
      remove(name, 100);
      return;
    }
    removing += 1;
    // Where the kernel is too old for that, whoever is notified of the end sees to it.
    fs.writeFile(pathIn(name, 'cgroup.kill'), '1', () => {
      removing -= 1;
      remove(name, 100);
    });
  };

  /** Those that were left empty by whoever was killed. */
  const sweep = (dir: string): void => {
    for (const name of fs.readdirSync(dir)) if (name.startsWith('rx-instances.')) remove(name, 0);
  };

  return {
    begin: () => {
      if (place === undefined) return;
      sweep(place.dir);
      moveOn();
    },
    current: () => next,
    nameOf: (name) => join(place?.name ?? '', name),
    moveOn,
    onceThere: (work) => {
      if (isMoving) waiting.push(work);
      else work();
    },
    outside: (work) => {
      if (isMoving) throw Object.assign(new Error('on the way to another group'), { code: 'EAGAIN' });
      const isAway = next !== undefined && leave();
      try {
        return work();
      } finally {
        if (isAway) fs.writeFileSync(pathIn(next ?? '', 'cgroup.procs'), String(process.pid));
      }
    },
    isPopulated,
    end: endGroup,
    isBusy: () => isMoving || removing + over.size > 0,
    quit: () => {
      const last = next;
      next = undefined;
      if (last === undefined || !leave()) return false;
      remove(last, 0);
      return true;
    },
  };
}
