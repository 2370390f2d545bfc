import { lstatSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProcessEntry, processTable } from './processTable.js';

/** By what a reader of output is known in its command line. */
const readerName = 'rx-instances-output';

/** The folder of the pipes of a home. */
export const pipesOf = (home: string): string => join(home, 'run');

/** Whether somebody may still write what a log does not hold yet: the last who reads a pipe takes its name away. */
export const isUnread = (home: string): boolean =>
  ['stdout', 'stderr'].some((name) => {
    try {
      return lstatSync(join(pipesOf(home), name), { throwIfNoEntry: false }) !== undefined;
    } catch {
      return false;
    }
  });

/** The process that reads the output of a home; nothing where there is none. */
export async function outputReaderOf(home: string): Promise<ProcessEntry | undefined> {
  const signed = await readlink(join(pipesOf(home), 'reader')).catch(() => '');
  const [pid = '', startTime] = /^\d{1,10}\.\d{1,20}$/.exec(signed)?.[0].split('.') ?? [];
  const entry = pid === '' ? undefined : await processTable.find(Number(pid));
  if (entry === undefined || entry.startTime !== startTime || entry.state === 'Z') return undefined;
  return (await processTable.commandLine(entry.pid)).includes(readerName) ? entry : undefined;
}
