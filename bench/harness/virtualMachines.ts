import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Virtual machines of the small image, driven in one way or another. Each bears a name. */
export interface VirtualMachines {
  /** Boots one, until its first process says that it is ready. */
  boot(name: string): Promise<void>;
  standby(name: string): Promise<void>;
  restore(name: string): Promise<void>;
  /** Makes one of the template's snapshot, which goes on from there and shares its memory. */
  forkSnapshot(name: string): Promise<void>;
  /** The same, but its memory is its own, as that of a machine is which was booted. */
  forkWithOwnMemory(name: string): Promise<void>;
  /** Copies one that runs, and tells for how many milliseconds that stood still. */
  forkRunning(source: string, name: string): Promise<number>;
  /** Ends one, and leaves none of its files. */
  delete(name: string): Promise<void>;
  /** Where the files of one lie. */
  homeOf(name: string): string;
  /** The process that is one. */
  pidOf(name: string): number;
  /** Deletes all. */
  close(): Promise<void>;
}

/** What the machine of a home has counted, as its console tells it; a copy has a console of its own. */
export function counted(home: string): readonly number[] {
  const lines = readFileSync(join(home, 'logs/app.log'), 'utf8').matchAll(/^count (\d+)\r?$/gm);
  return [...lines].map(([, count]) => Number(count));
}
