import type { Observable } from 'rxjs';
import type { CopiedIn, MkdirOptions, RemoveOptions, WriteOptions } from '../lifecycle/fileAccess.js';
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
  /**
   * Emits the bytes of a tar archive, in pieces of some 64 KiB: what lies at the path, under its last name, with all that is below it; of the top, what lies
   * there. Read with `for await`, it is packed as it is read. Modes, times and links are told as they are, files with several names once; owners and
   * set-uid bits are not told, and pipes, sockets and devices left out. What a program of the instance does meanwhile may be in it or not. Fails for a file
   * that gets smaller while it is read (`ESTALE`), and for a name that is no UTF-8 (`EILSEQ`).
   *
   * @example
   * ```ts
   * import { createProcessDriver, openManager } from 'rx-instances';
   * import { firstValueFrom } from 'rxjs';
   *
   * await using manager = await openManager({ drivers: [createProcessDriver()] });
   * const entrypoint = ['sleep', '60'];
   * for (const name of ['one', 'two'])
   *   await firstValueFrom(manager.create({ name, image: 'scratch', entrypoint }));
   * const [one, two] = [manager.files('one'), manager.files('two')];
   * await firstValueFrom(one.mkdir('src/lib', { recursive: true }));
   * await firstValueFrom(one.write('src/lib/a.txt', 'hello'));
   *
   * await firstValueFrom(two.copyIn('', one.copyOut('src'))); // => { entries: 3, bytes: 5 }
   * (await firstValueFrom(two.stat('src/lib/a.txt'))).size; // => 5
   * ```
   */
  copyOut(path: string): Pullable<Uint8Array>;
  /**
   * Unpacks a tar archive into a directory, and emits once what that came to. What an entry finds in its place is replaced; a directory stays, with what the
   * archive does not name. Modes and times are those of the archive; owners are not.
   *
   * An archive may hold plain files, directories, links, and further names of files that it has brought itself. It is refused, with the name of the entry as the
   * `path` of the error, at the first that leads out of the instance's files, or could (`ENOTCAPABLE`: an absolute name or target, `..`), that is a device, a
   * pipe or a file with holes (`ENOTSUP`), has a set-uid or set-gid bit, names a file that it has not brought (`EPERM`), or has a name that is
   * no UTF-8 or has a U+FFFD in it (`EILSEQ`); and where it is not whole, or something else follows it (`EBADMSG`). What came before such an entry stays, as it
   * does after an unsubscribe; a file that is not whole is removed.
   *
   * @param path - of a directory that is there
   * @param tar - is read as {@link ExecRequest.stdin} is; uncompressed
   */
  copyIn(path: string, tar: ExecInput): Observable<CopiedIn>;
}
