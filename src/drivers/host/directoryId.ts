import { stat } from 'node:fs/promises';

/** Tells a directory from all others of this machine, whatever path leads to it by now; nothing where none is seen. */
export const directoryId = (path: string): Promise<string | undefined> =>
  stat(path, { bigint: true }).then(
    ({ dev, ino }) => `${String(dev)}:${String(ino)}`,
    () => undefined,
  );
