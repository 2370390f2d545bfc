import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from '../codecs/decode.js';
import { id } from '../codecs/id.js';
import { record } from '../codecs/record.js';
import { secret } from '../codecs/secret.js';
import { describeFault, isInstanceError, StoreFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { ownFile } from './ownFile.js';
import { ownFolder } from './ownFolder.js';
import type { SecretStore, SecretValues } from './secretStore.js';
import { statOf } from './statOf.js';

const values = secret(record('an object of texts', t.string, t.string));

/** Creates the {@link SecretStore} of a folder, which is made with the first version: a file each, for the owner only. */
export function createSecretFiles(folder: string): SecretStore {
  const pathOf = (version: string): string => join(folder, version);

  const sync = async (): Promise<void> => {
    const handle = await open(folder);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  };

  return {
    save: (version, kept) =>
      told(`the secrets ${version} can't be kept`, async () => {
        await ownFolder(folder);
        const file = await open(pathOf(version), 'wx', 0o600);
        try {
          await file.chmod(0o600);
          await file.writeFile(JSON.stringify(kept));
          await file.sync();
        } catch (error) {
          await rm(pathOf(version), { force: true });
          throw error;
        } finally {
          await file.close();
        }
        await sync();
      }),

    read: (version) =>
      told(`the secrets ${version} can't be read`, async () => {
        const file = await ownFile(pathOf(version), 'read');
        try {
          return understood(await file.readFile('utf8'));
        } finally {
          await file.close();
        }
      }),

    remove: (version) =>
      told(`the secrets ${version} can't be removed`, () => rm(pathOf(version), { force: true })),

    retain: (versions) =>
      told(`what nobody needs can't be removed from ${folder}`, async () => {
        if ((await statOf(folder)) === undefined) return;
        for (const name of await readdir(folder))
          if (id.is(name) && !versions.has(name)) await rm(pathOf(name), { force: true });
      }),
  };
}

/** Nothing of a text that is no JSON is told: it may be half a secret. */
function understood(text: string): SecretValues {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new StoreFailed({ reason: 'the file is no JSON' });
  }
  const decoded = decode(values, parsed);
  if (E.isRight(decoded)) return decoded.right;
  throw new StoreFailed({ reason: decoded.left.map(describeFault).join('; ') });
}

async function told<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = isInstanceError(error) && error._tag === 'StoreFailed' ? error.reason : messageOf(error);
    throw new StoreFailed({ reason: `${what}: ${reason}` }, { cause: error });
  }
}
