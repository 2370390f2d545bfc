import { readdir } from 'node:fs/promises';
import { pathsIn } from './dataDirPaths.js';
import { statOf } from './statOf.js';

/**
 * Tells in words what a data directory without a record holds of a time when there was one; `undefined` when nothing: it is
 * new, or was being made when somebody was killed.
 */
export async function whatIsLeft(dataDir: string): Promise<string | undefined> {
  const { homes, snapshots, marker } = pathsIn(dataDir);
  const left = [
    ...told(await countIn(homes), 'home', 'homes'),
    ...told(await countIn(snapshots), 'snapshot', 'snapshots'),
    ...((await statOf(marker)) === undefined ? [] : ['the mark of a store that was there']),
  ];
  return left.length === 0 ? undefined : left.join(', ');
}

/** Whatever lies there counts, since it may be somebody else's who calls a folder so; but what each file system has of itself. */
const countIn = async (folder: string): Promise<number> => {
  if ((await statOf(folder)) === undefined) return 0;
  return (await readdir(folder)).filter((name) => name !== 'lost+found').length;
};

const told = (count: number, one: string, many: string): readonly string[] =>
  count === 0 ? [] : [`${String(count)} ${count === 1 ? one : many}`];
