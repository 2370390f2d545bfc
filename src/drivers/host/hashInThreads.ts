import type { CopyThreads } from './copyThreads.js';
import type { HashedFile } from './hashProgram.js';

/** Hashes files in threads, several with one message; nothing comes of it where no thread could be started. */
export type HashInThreads = (file: HashedFile) => Promise<readonly string[] | undefined>;

interface Waiting {
  readonly file: HashedFile;
  readonly resolve: (pieces: readonly string[] | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Creates {@link HashInThreads}: what is asked for within a turn of the event loop, or while all threads work, goes with one message. */
export function createHashInThreads(threads: CopyThreads, atOnce: number): HashInThreads {
  const waiting: Waiting[] = [];
  let working = 0;

  const work = async (): Promise<void> => {
    working += 1;
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting.splice(0, Math.ceil(waiting.length / atOnce));
      try {
        const done = await threads.hash(batch.map(({ file }) => file));
        batch.forEach(({ resolve, reject }, index) => {
          const hashed = done?.[index];
          if (hashed === undefined || hashed.kind === 'pieces') resolve(hashed?.pieces);
          else reject(Object.assign(new Error(hashed.fields.message), hashed.fields));
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    working -= 1;
  };

  return (file) =>
    new Promise((resolve, reject) => {
      waiting.push({ file, resolve, reject });
      if (working < atOnce) void work();
    });
}
