import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A folder that is nobody's business, with a file in it. */
export interface Outside {
  readonly folder: string;
  readonly file: string;
  /** What stands in the file. */
  readonly secret: string;
  /** A path in it at which nothing is. */
  readonly nothing: string;
  /** Throws unless all of it is as it was. */
  isUntouched(): void;
  /** Throws when what stands in the file stands anywhere in another folder. */
  isNotIn(folder: string): void;
}

/** Makes an {@link Outside}. */
export function createOutside(parent: string): Outside {
  const folder = join(parent, 'outside');
  const file = join(folder, 'canary.txt');
  const secret = 'nobody may read, change or remove this canary\n';
  mkdirSync(join(folder, 'below'), { recursive: true, mode: 0o700 });
  writeFileSync(file, secret, { mode: 0o600 });
  writeFileSync(join(folder, 'below', 'deep.txt'), secret, { mode: 0o600 });
  const before = treeOf(folder);

  return {
    folder,
    file,
    secret,
    nothing: join(folder, 'nothing'),
    isUntouched: () => {
      assert.deepEqual(treeOf(folder), before, 'what lies outside was touched');
    },
    isNotIn: (other) => {
      const found = Object.entries(treeOf(other)).filter(([, { text }]) => text.includes(secret.trim()));
      assert.deepEqual(
        found.map(([path]) => path),
        [],
        'what lies outside was copied',
      );
    },
  };
}

interface Entry {
  readonly mode: string;
  readonly owner: number;
  readonly text: string;
}

const mostText = 1_048_576;

/** All that lies in a folder; links are told, not followed. */
export function treeOf(folder: string): Readonly<Record<string, Entry>> {
  const tree: Record<string, Entry> = {};
  const look = (path: string): void => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return;
    const text = found.isSymbolicLink()
      ? readlinkSync(path)
      : found.isFile() && found.size <= mostText
        ? readFileSync(path, 'latin1')
        : '';
    tree[path] = { mode: found.mode.toString(8), owner: found.uid, text };
    if (found.isDirectory()) for (const name of readdirSync(path)) look(join(path, name));
  };
  look(folder);
  return tree;
}
