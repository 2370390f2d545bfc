import type { Observable } from 'rxjs';
import type { MkdirOptions, RemoveOptions, WriteOptions } from '../lifecycle/fileAccess.js';
import type { FileStat } from '../lifecycle/fileStat.js';
import type { ExecInput } from '../streams/feedInput.js';
import type { Pullable } from '../streams/pullable.js';

/** The files of instances. */
export interface Files {
  /**
   * The files of an instance, which is looked up, by its id or its name, each time that something is done with them.
   *
   * @example
   * ```ts
   * import { createProcessDriver, openManager } from 'rx-instances';
   * import { firstValueFrom } from 'rxjs';
   *
   * await using manager = await openManager({ drivers: [createProcessDriver()] });
   * await firstValueFrom(manager.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '60'] }));
   *
   * const files = manager.files('web');
   * await firstValueFrom(files.mkdir('public/texts', { recursive: true }));
   * await firstValueFrom(files.write('public/texts/hello.txt', 'hello'));
   * const [only] = await firstValueFrom(files.list('public/texts'));
   * let text = '';
   * for await (const bytes of files.read('public/texts/hello.txt')) text += Buffer.from(bytes).toString();
   * [only?.path, only?.size, text]; // => ['public/texts/hello.txt', 5, 'hello']
   * ```
   */
  files(idOrName: string): InstanceFiles;
}

/**
 * What can be done with the files of one instance: those of a process, whether or not it runs, are what lies in its working directory, at the top; those of a
 * virtual machine are all that its guest has, while it runs. A path
 * may begin with `/`, which is the top; one with `..` is refused. No path leads out of them: no link is followed, and one that is in the way is an
 * error. Nothing waits for the instance's turn, and no event tells of it.
 *
 * Every method returns a cold Observable. All fail with {@link FileFailed}, {@link InstanceNotFound}, {@link InvalidRequest}, {@link NotSupported} where
 * the driver can't reach files, {@link InvalidState} where it can only while the instance runs, and that does not, {@link DriverFailed}, {@link ManagerClosed}.
 */
export interface InstanceFiles {
  /** Emits the bytes of a plain file, in pieces of at most 64 KiB. Read with `for await`, it is read as it is asked for. */
  read(path: string): Pullable<Uint8Array>;
  /**
   * Writes a file, and emits what lies there then. What was there before is there until all is written, and is replaced at once; when it
   * fails, or is unsubscribed, nothing has changed. A manager that is killed meanwhile can leave, of a process, a file `.<12 hex digits>.part` beside it.
   *
   * @param content - is read as {@link ExecRequest.stdin} is
   */
  write(path: string, content: ExecInput, options?: WriteOptions): Observable<FileStat>;
  /** Emits what is in a directory, in the order of its names; a name that is no UTF-8 is left out. */
  list(path: string): Observable<readonly FileStat[]>;
  /** Emits what lies at a path; of a link, the link itself. */
  stat(path: string): Observable<FileStat>;
  /** Makes a directory, and emits it. */
  mkdir(path: string, options?: MkdirOptions): Observable<FileStat>;
  /** Removes a file, a link, or a directory, and emits what it was. */
  remove(path: string, options?: RemoveOptions): Observable<FileStat>;
  /** Gives something another path, in the place of a file that is there, and emits it. */
  rename(from: string, to: string): Observable<FileStat>;
}
