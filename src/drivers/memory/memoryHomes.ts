import { from, filter, merge, type Observable, Subject, takeUntil } from 'rxjs';
import { LaunchFailed, LogNotFound } from '../../lifecycle/errors.js';
import type { LogLine } from '../../lifecycle/logLine.js';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { LaunchPlan, LogReading } from '../driver.js';
import type { Held } from './memorySnapshots.js';

/** A log that is kept, and emitted as it is written; and the memory of a machine that was suspended. */
export interface MemoryHome {
  readonly plan: LaunchPlan;
  readonly lines: LogLine[];
  readonly written$: Subject<LogLine>;
  memory: number | undefined;
}

/** The homes of machines in memory, by path. */
export interface MemoryHomes {
  /** @throws where there is none */
  get(path: string): MemoryHome;
  find(path: string): MemoryHome | undefined;
  /** Fills a home; one that is there already stays, with whoever follows its log. */
  make(plan: LaunchPlan, content: Held): void;
  remove(path: string): void;
  /** What it holds now. */
  held(path: string): Held;
  /** What a copy of it holds, as what it is copied. */
  copyOf(path: string, kind?: Snapshot['kind']): Held;
  logs(path: string, reading: LogReading): Observable<LogLine>;
  paths(): readonly string[];
}

/** The only log of a home. */
export const logSource = 'app';

/** Creates homes; `haltedIn` gives what is in the memory of a machine that is halted there, where memories are kept. */
export function createMemoryHomes(haltedIn: ((path: string) => number | undefined) | undefined): MemoryHomes {
  const homes = new Map<string, MemoryHome>();

  const get = (path: string): MemoryHome => {
    const home = homes.get(path);
    if (home === undefined) throw new Error(`there is no home ${path}`);
    return home;
  };

  const held = (path: string): Held => {
    const { lines, memory } = get(path);
    return { lines: [...lines], memory };
  };

  return {
    get,
    find: (path) => homes.get(path),
    make: (plan, { lines, memory }) => {
      const home = homes.get(plan.home) ?? { plan, lines: [], written$: new Subject(), memory };
      home.lines.splice(0, home.lines.length, ...lines);
      home.memory = memory;
      homes.set(plan.home, home);
    },
    remove: (path) => {
      const home = homes.get(path);
      homes.delete(path);
      home?.written$.complete();
    },
    held,
    copyOf: (path, kind = 'Stopped') => {
      const { lines, memory } = held(path);
      if (kind === 'Stopped' || haltedIn === undefined) return { lines };
      return { lines, memory: haltedIn(path) ?? memory ?? nothingKept() };
    },
    logs: (path, { source, tail, followUntil$: end$, ...query }) => {
      if (source !== logSource) throw new LogNotFound({ source, sources: [logSource] });
      const { lines, written$ } = get(path);
      const isAsked = ({ stream, time = 0, cursor }: LogLine): boolean =>
        (query.stream ?? stream) === stream && time >= (query.since ?? 0) && cursor > (query.after ?? 0);
      const last$ = from(tail === 0 ? [] : lines.filter(isAsked).slice(-tail));
      if (end$ === undefined) return last$;
      return merge(written$.pipe(filter(isAsked), takeUntil(end$)), last$);
    },
    paths: () => [...homes.keys()],
  };
}

/** @throws {@link LaunchFailed} */
export const nothingKept = (): never => {
  throw new LaunchFailed({ reason: 'the home holds no memory to go on from' });
};
