import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import type { Build } from './earlierBuild.js';
import { filledFolder, newFolder } from './scratch.js';

/** A manager of processes with a data directory. */
export interface Stage {
  readonly manager: InstanceManager;
  /** The names in the working directory of an instance. */
  filesOf(name: string): Promise<readonly string[]>;
  /** Creates an instance that is Stopped. */
  stopped(name: string, image: string): Promise<void>;
}

/** What instances run that have nothing to do. */
export const sleeper = ['sleep', '60'];

/** Opens a {@link Stage} in a new data directory of that name. */
export async function openStage(
  { openManager, createProcessDriver }: Pick<Build, 'openManager' | 'createProcessDriver'>,
  folder: string,
): Promise<Stage> {
  const dataDir = newFolder(folder);
  const manager = await openManager({ dataDir, drivers: [createProcessDriver()] });
  return {
    manager,
    filesOf: async (name) => {
      const { id } = await firstValueFrom(manager.get(name));
      return namesIn(join(dataDir, 'instances', id, 'work'));
    },
    stopped: async (name, image) => {
      await firstValueFrom(manager.create({ name, image, entrypoint: sleeper }));
      await firstValueFrom(manager.stop(name));
    },
  };
}

/** What lies in a folder and below it. */
export const namesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

/** An image of so many files of 1 kB, in as many directories. */
export const imageOf = (files: number, directories: number): Promise<string> =>
  filledFolder(`image-of-${String(files)}-in-${String(directories)}`, async (folder) => {
    for (let index = 0; index < files; index += 1) {
      const directory = join(folder, String(index % directories));
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, `${String(index)}.txt`), 'x'.repeat(1_024));
    }
  });
