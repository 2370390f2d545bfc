/** How a spawner works with files of homes, in which an instance may have put anything. */
export interface SpawnerFiles {
  readText(path: string): string;
  /** How a name in a folder is reached that nobody can put another in the place of. */
  within(folder: number, path: string): string;
  /** Does something in a folder, which is not followed if it is a link; an error names the true path. */
  inFolder<T>(path: string, work: (folder: number) => T): T;
  refuse(path: string, reason: string): never;
  /** Opens a plain file of ours, and nothing else: neither through a link, nor so that a pipe could make it wait. */
  openFile(path: string, flags: number): number;
  /** Opens the folder to work in itself, not what a link in its place leads to. */
  openFolder(path: string): number;
  /** Goes down from a folder, through no link, and closes what it leaves. */
  goDown(folder: number, path: string): number;
  /** A folder that nobody else can enter. What an instance has put in its place is taken away, but for a folder. */
  makeFolder(path: string): void;
  removeFile(path: string): void;
  /** Whoever reads the file finds the one text or the other, never a part. */
  write(path: string, text: string): void;
  /**
   * Adds to a file that holds a text and nothing else, and returns whether it does. Whoever reads it meanwhile may find a part of what is
   * added. It takes some 20 µs; a new file in its place takes up to 2 ms on ext4.
   */
  append(path: string, text: string, more: string): boolean;
  /** The fields of its first line. What can't be understood holds nothing. */
  readFields(path: string): Readonly<Record<string, unknown>>;
}

/** Makes {@link SpawnerFiles}. A part of the program of a spawner: whatever it uses is in it. */
export function spawnerFiles(): SpawnerFiles {
  const fs = process.getBuiltinModule('node:fs');
  const { basename, dirname } = process.getBuiltinModule('node:path');
  const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } =
    fs.constants;
  const isLinux = process.platform === 'linux';

  const readText = (path: string): string => fs.readFileSync(path, 'utf8');

  const within = (folder: number, path: string): string =>
    isLinux ? `/proc/self/fd/${String(folder)}/${basename(path)}` : path;

  const inFolder = <T>(path: string, work: (folder: number) => T): T => {
    let folder: number | undefined;
    try {
      folder = fs.openSync(dirname(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      return work(folder);
    } catch (error) {
      const { path: shown, message, code } = error as NodeJS.ErrnoException;
      if (code === undefined || shown === undefined) throw error;
      throw Object.assign(new Error(message.replace(`'${shown}'`, `'${path}'`)), { code, path });
    } finally {
      if (folder !== undefined) fs.closeSync(folder);
    }
  };

  const refuse = (path: string, reason: string): never => {
    throw Object.assign(new Error(reason), { code: 'EINVAL', path });
  };

  const openFile = (path: string, flags: number): number =>
    inFolder(path, (folder) => {
      const file = fs.openSync(within(folder, path), flags | O_NOFOLLOW | O_NONBLOCK, 0o600);
      const found = fs.fstatSync(file);
      if (found.isFile() && found.uid === process.geteuid?.()) return file;
      fs.closeSync(file);
      return refuse(path, 'it is not a plain file of this user');
    });

  const openFolder = (path: string): number => {
    try {
      return inFolder(path, (folder) =>
        fs.openSync(within(folder, path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
      );
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code !== 'ELOOP' && code !== 'ENOTDIR') throw error;
      const message = `${path} is no folder, or a link stands in its place`;
      throw Object.assign(new Error(message), { code, path });
    }
  };

  const goDown = (folder: number, path: string): number => {
    try {
      return fs.openSync(within(folder, path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const what = code === 'ENOENT' ? 'is not there' : 'is no folder that may be entered, or a link';
      throw Object.assign(new Error(`${path} ${what}`), { code, path });
    } finally {
      fs.closeSync(folder);
    }
  };

  const makeFolder = (path: string): void => {
    const made = fs.lstatSync(path, { throwIfNoEntry: false });
    if (made !== undefined && !made.isDirectory()) fs.unlinkSync(path);
    if (made?.isDirectory() !== true) fs.mkdirSync(path, { mode: 0o700 });
    else if (made.uid !== process.geteuid?.()) refuse(path, `the folder ${path} is not of this user`);
    else if ((made.mode & 0o777) !== 0o700) fs.chmodSync(path, 0o700);
  };

  /** To look first costs a quarter of a failure. */
  const removeFile = (path: string): void => {
    if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) fs.rmSync(path, { force: true });
  };

  const append = (path: string, text: string, more: string): boolean => {
    const file = openFile(path, O_RDWR | O_APPEND);
    try {
      const expected = Buffer.from(text);
      const held = Buffer.alloc(expected.length + 1);
      const length = fs.readSync(file, held, 0, held.length, 0);
      if (fs.fstatSync(file).nlink !== 1 || !held.subarray(0, length).equals(expected)) return false;
      return fs.writeSync(file, more) === Buffer.byteLength(more);
    } finally {
      fs.closeSync(file);
    }
  };

  const write = (path: string, text: string): void => {
    inFolder(path, (folder) => {
      const part = within(folder, `${path}.new`);
      removeFile(part);
      const file = fs.openSync(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        fs.writeFileSync(file, text);
        fs.renameSync(part, within(folder, path));
      } catch (error) {
        fs.rmSync(part, { force: true });
        throw error;
      } finally {
        fs.closeSync(file);
      }
    });
  };

  const readFields = (path: string): Readonly<Record<string, unknown>> => {
    try {
      // To look first costs a quarter of a failure.
      if (fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) return {};
      const file = openFile(path, O_RDONLY);
      try {
        const bytes = Buffer.alloc(65_536);
        const length = fs.readSync(file, bytes);
        const [line = ''] = bytes.toString('utf8', 0, length).split('\n', 1);
        return { ...(JSON.parse(line) as object) };
      } finally {
        fs.closeSync(file);
      }
    } catch {
      return {};
    }
  };

  return {
    ...{ readText, readFields, within, inFolder, refuse, openFile, openFolder },
    ...{ goDown, makeFolder, removeFile, write, append },
  };
}
