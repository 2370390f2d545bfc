import * as t from 'io-ts';
import { catchError, concat, defer, from, mergeMap, noop, type Observable, throwError } from 'rxjs';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { execInput } from '../codecs/execInput.js';
import { filePath } from '../codecs/filePath.js';
import { integer } from '../codecs/scalars.js';
import type { Driver, DriverFiles, LaunchPlan } from '../drivers/driver.js';
import type { Files } from '../instances/instanceFiles.js';
import { hasTag, NotSupported } from '../lifecycle/errors.js';
import type { MkdirOptions, RemoveOptions, WriteOptions } from '../lifecycle/fileAccess.js';
import type { FileTree } from '../lifecycle/fileTree.js';
import type { InstanceSpec } from '../lifecycle/instance.js';
import { deferErrors, type ExecInput, feedInput } from '../streams/feedInput.js';
import { pullable } from '../streams/pullable.js';
import { driverFailed } from './driverFailures.js';
import type { InstanceTable } from './instanceTable.js';
import { packTar } from './packTar.js';
import { refuseUnlessRunning } from './refuseUnlessRunning.js';
import type { Turns } from './turns.js';
import { unpackTar } from './unpackTar.js';

/** What {@link createFiles} needs. */
export interface FilesTools {
  readonly turns: Pick<Turns, 'whileOpen'>;
  readonly table: Pick<InstanceTable, 'exactly'>;
  readonly driverOf: (spec: InstanceSpec) => Driver;
  planOf(instanceId: string, name: string, spec: InstanceSpec): LaunchPlan;
}

/** Creates what reaches the files of instances. */
export const createFiles = ({ turns, table, driverOf, planOf }: FilesTools): Files => ({
  files: (idOrName) => {
    /** Does something with files, once what is asked for is understood. */
    const withFiles = <Asked, T>(
      codec: t.Type<Asked, unknown>,
      asked: { readonly [Key in keyof Asked]: unknown },
      work: (
        files: DriverFiles,
        asked: Asked,
        treeAt: (path: string) => Observable<FileTree>,
      ) => Observable<T>,
    ): Observable<T> =>
      turns.whileOpen(() => {
        const { id, name, spec, state } = table.exactly(idOrName);
        const driver = driverOf(spec);
        const decoded = decodeOrThrow<Asked>(codec, asked);
        const files = driver.files?.(planOf(id, name, spec));
        const unsupported = (verb: string, reason: string): NotSupported =>
          new NotSupported({ driver: driver.kind, verb, reason });
        if (files === undefined) throw unsupported('files', 'it cannot reach the files of its instances');
        const treeAt = (path: string): Observable<FileTree> => {
          if (files.tree === undefined)
            throw unsupported('copyIn and copyOut', 'it reaches the files of its instances one by one');
          return files.tree(path);
        };
        if (driver.capabilities.filesNeedMachine === true) refuseUnlessRunning(reach, { id, state });
        return work(files, decoded, treeAt).pipe(
          catchError((error: unknown) => {
            if (error instanceof SourceFailure) return throwError(() => error.cause);
            return hasTag(error, 'FileFailed') ? throwError(() => error) : driverFailed({ id }, reach)(error);
          }),
        );
      });

    return {
      read: (path) => pullable(withFiles(reading, { path }, (files, asked) => files.read(asked.path))),
      write: (path, content, options = {}) =>
        withFiles(writing, { path, content, options }, (files, asked) =>
          filled(files.write(asked.path, asked.options as WriteOptions), asked.content as ExecInput),
        ),
      list: (path) => withFiles(reading, { path }, (files, asked) => files.list(asked.path)),
      stat: (path) => withFiles(reading, { path }, (files, asked) => files.stat(asked.path)),
      mkdir: (path, options = {}) =>
        withFiles(making, { path, options }, (files, asked) =>
          files.mkdir(asked.path, asked.options as MkdirOptions),
        ),
      remove: (path, options = {}) =>
        withFiles(removing, { path, options }, (files, asked) =>
          files.remove(asked.path, asked.options as RemoveOptions),
        ),
      rename: (source, target) =>
        withFiles(renaming, { from: source, to: target }, (files, asked) =>
          files.rename(asked.from, asked.to),
        ),
      copyOut: (path) =>
        pullable(
          withFiles(reading, { path }, (_, asked, treeAt) => {
            const end = Math.max(0, asked.path.lastIndexOf('/'));
            return packTar(treeAt(asked.path.slice(0, end)), asked.path.slice(end).replace('/', ''));
          }),
        ),
      copyIn: (path, tar) =>
        withFiles(copying, { path, tar }, (_, asked, treeAt) =>
          filled(unpackTar(treeAt(asked.path)), asked.tar as ExecInput),
        ),
    };
  },
});

/** What a source failed with that its caller has given. It is told as it is. */
class SourceFailure extends Error {}

/** What takes what a source gives, and emits what came of it. */
interface Writer<T> {
  write(data: Uint8Array): Promise<void>;
  finish(): Promise<T>;
}

/** Hands a writer what a source gives, and finishes it. */
function filled<T>(writer$: Observable<Writer<T>>, source: ExecInput): Observable<T> {
  deferErrors(source);
  return writer$.pipe(
    mergeMap((writer) => {
      let writing: Promise<void> | undefined;
      const sink = { write: (data: Uint8Array) => (writing = writer.write(data)), endInput: noop };
      const failed = async (error: unknown): Promise<never> => {
        await writing;
        throw new SourceFailure('the source failed', { cause: error });
      };
      const fed$ = feedInput(sink, source).pipe(catchError((error: unknown) => from(failed(error))));
      return concat(
        fed$,
        defer(() => writer.finish()),
      );
    }),
  );
}

/** For who reads an error. */
const reach = 'reach the files of';

const mode = integer('mode of a file', 0, 0o777);
const writeOptions = closed('options', {}, { mode });
const mkdirOptions = closed('options', {}, { recursive: t.boolean, mode });
const removeOptions = closed('options', {}, { recursive: t.boolean });

const reading = closed('a file', { path: filePath }, {});
const writing = closed('a file', { path: filePath, content: execInput, options: writeOptions }, {});
const making = closed('a directory', { path: filePath, options: mkdirOptions }, {});
const removing = closed('a file', { path: filePath, options: removeOptions }, {});
const copying = closed('an archive', { path: filePath, tar: execInput }, {});
const renaming = closed('a file', { from: filePath, to: filePath }, {});
