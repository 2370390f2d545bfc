import assert from 'node:assert/strict';
import { from, map, mergeMap, type Observable, Subject, takeUntil } from 'rxjs';
import { hasTag } from '../../lifecycle/errors.js';
import type { FileReader, FileWriter } from '../../lifecycle/fileAccess.js';
import type { FileStat } from '../../lifecycle/fileStat.js';
import type { Capabilities, Driver, DriverFiles } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractBench } from './contractBench.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about the files of instances. */
export function fileContract<D extends Driver>(
  { describe, it, shared }: ContractSuite<D>,
  { lasting, filesWithin = lasting }: DriverSubject<D>,
  { filesNeedMachine = false }: Capabilities,
): void {
  const failsWith = async (
    bench: ContractBench<D>,
    code: string,
    source$: Observable<unknown>,
  ): Promise<void> => {
    const error = await bench.fails(source$);
    assert.ok(hasTag(error, 'FileFailed'), 'it is FileFailed');
    assert.equal(error.code, code);
  };
  const namesIn = async (
    bench: ContractBench<D>,
    files: DriverFiles,
    path: string,
  ): Promise<readonly string[]> => (await bench.one(files.list(path))).map((found) => found.path);

  describe('reaches files:', () => {
    let directories = 0;
    const launched = shared((bench) => bench.launched(filesWithin).then(({ plan }) => ({ bench, plan })));
    /** A directory of its own within an instance that runs. */
    const filesOf = async (bench: ContractBench<D>): Promise<DriverFiles> => {
      const { bench: its, plan } = await launched(bench);
      const files = its.driver.files?.(plan);
      assert.ok(files !== undefined, 'a driver that reaches files does so for each instance');
      directories += 1;
      const { path } = await bench.one(files.mkdir(`contract-${String(directories)}`, {}));
      return beneath(files, path);
    };

    it('what was written is read, with the mode that was asked for', async (bench) => {
      const files = await filesOf(bench);
      const pieces = Array.from({ length: 20 }, (_, index) => Buffer.alloc(50_000, index));
      const { modifiedAt, ...stat } = await bench.one(written(files, 'a', pieces, 0o640));
      assert.deepEqual(stat, { path: 'a', kind: 'file', size: 1_000_000, mode: 0o640 });
      assert.ok(Buffer.concat(pieces).equals(await bench.one(contentOf(files, 'a'))), 'byte by byte');
      assert.deepEqual(await bench.one(files.stat('a')), { ...stat, modifiedAt });
    });

    it('one that is written anew is replaced, and keeps its mode', async (bench) => {
      const files = await filesOf(bench);
      await bench.one(written(files, 'a', ['a longer first'], 0o600));
      const { mode } = await bench.one(written(files, 'a', ['sec', 'ond']));
      assert.equal(mode, 0o600);
      assert.equal((await bench.one(contentOf(files, 'a'))).toString(), 'second');
    });

    it('one that is given up leaves what was there before, and nothing beside it', async (bench) => {
      const files = await filesOf(bench);
      await bench.one(written(files, 'a', ['first']));
      const before = await namesIn(bench, files, '');
      const given = new Subject<void>();
      const begun = async (writer: FileWriter): Promise<void> => {
        await writer.write(Buffer.from('second'));
        given.next();
      };
      await bench.all(files.write('a', {}).pipe(mergeMap(begun), takeUntil(given)));
      assert.equal((await bench.one(contentOf(files, 'a'))).toString(), 'first');
      const names = await bench.eventually(
        () => namesIn(bench, files, ''),
        (found) => found.length === before.length,
      );
      assert.deepEqual(names, before);
    });

    it('directories are made, listed in the order of names, and removed', async (bench) => {
      const files = await filesOf(bench);
      const { path, kind } = await bench.one(files.mkdir('top/b/c', { recursive: true }));
      assert.deepEqual({ path, kind }, { path: 'top/b/c', kind: 'directory' });
      await bench.one(files.mkdir('top/b/c', { recursive: true }));
      await bench.one(files.mkdir('top/a', {}));
      await bench.one(written(files, 'top/b/file', ['text']));
      assert.deepEqual(await namesIn(bench, files, 'top'), ['top/a', 'top/b']);
      await failsWith(bench, 'EEXIST', files.mkdir('top/a', {}));
      await failsWith(bench, 'ENOENT', files.mkdir('none/a', {}));
      await failsWith(bench, 'ENOTEMPTY', files.remove('top/b', {}));
      assert.equal((await bench.one(files.remove('top/a', {}))).kind, 'directory');
      await bench.one(files.remove('top/b', { recursive: true }));
      assert.deepEqual(await namesIn(bench, files, 'top'), []);
    });

    it('something gets another path, in the place of a file that is there', async (bench) => {
      const files = await filesOf(bench);
      await bench.one(files.mkdir('d', {}));
      await bench.one(written(files, 'a', ['moved']));
      await bench.one(written(files, 'd/b', ['there']));
      assert.equal((await bench.one(files.rename('a', 'd/b'))).path, 'd/b');
      assert.equal((await bench.one(contentOf(files, 'd/b'))).toString(), 'moved');
      await failsWith(bench, 'ENOENT', files.rename('a', 'c'));
      await failsWith(bench, 'ENOENT', files.rename('d/b', 'none/b'));
    });

    it('what is not there, and what is of another kind, is told', async (bench) => {
      const files = await filesOf(bench);
      await bench.one(files.mkdir('d', {}));
      await bench.one(written(files, 'f', ['text']));
      for (const asked$ of [
        files.read('none'),
        files.stat('none'),
        files.list('none'),
        files.remove('none', {}),
      ])
        await failsWith(bench, 'ENOENT', asked$);
      for (const asked$ of [files.read('d'), files.write('d', {}), files.read('')])
        await failsWith(bench, 'EISDIR', asked$);
      for (const asked$ of [files.list('f'), files.stat('f/a'), files.write('f/a', {})])
        await failsWith(bench, 'ENOTDIR', asked$);
      assert.equal((await bench.one(files.stat(''))).kind, 'directory');
    });

    it('the top is a directory too, and stays where it is', async (bench) => {
      await filesOf(bench);
      const { bench: its, plan } = await launched(bench);
      const files = its.driver.files?.(plan);
      assert.ok(files !== undefined);
      const { path, kind } = await bench.one(files.stat(''));
      assert.deepEqual({ path, kind }, { path: '', kind: 'directory' });
      const names = await namesIn(bench, files, '');
      assert.ok(names.includes(`contract-${String(directories)}`), 'it is listed');
      for (const asked$ of [files.read(''), files.write('', {}), files.remove('', {}), files.rename('', 'a')])
        await failsWith(bench, 'EISDIR', asked$);
    });

    if (!filesNeedMachine) return;
    it('those of an instance without a machine are not reached', async (bench) => {
      const plan = await bench.prepared(lasting);
      const files = bench.driver.files?.(plan);
      assert.ok(files !== undefined);
      for (const asked$ of [files.stat(''), files.read('a'), files.write('a', {})]) await bench.fails(asked$);
    });
  });
}

/** The files within a directory. */
const beneath = (files: DriverFiles, directory: string): DriverFiles => {
  const down = (path: string): string => (path === '' ? directory : `${directory}/${path}`);
  const up = ({ path, ...rest }: FileStat): FileStat => ({ path: path.slice(directory.length + 1), ...rest });
  return {
    read: (path) => files.read(down(path)),
    write: (path, options) =>
      files
        .write(down(path), options)
        .pipe(map(({ write, finish }) => ({ write, finish: async () => up(await finish()) }))),
    list: (path) => files.list(down(path)).pipe(map((found) => found.map(up))),
    stat: (path) => files.stat(down(path)).pipe(map(up)),
    mkdir: (path, options) => files.mkdir(down(path), options).pipe(map(up)),
    remove: (path, options) => files.remove(down(path), options).pipe(map(up)),
    rename: (from, to) => files.rename(down(from), down(to)).pipe(map(up)),
  };
};

const written = (
  files: DriverFiles,
  path: string,
  pieces: readonly (string | Uint8Array)[],
  mode?: number,
): Observable<FileStat> => {
  const write = async (writer: FileWriter): Promise<FileStat> => {
    for (const piece of pieces) await writer.write(Buffer.from(piece));
    return writer.finish();
  };
  return files
    .write(path, mode === undefined ? {} : { mode })
    .pipe(mergeMap((writer) => from(write(writer))));
};

const contentOf = (files: DriverFiles, path: string): Observable<Buffer> => {
  const read = async (reader: FileReader): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for (;;) {
      const piece = await reader.read();
      if (piece === undefined) return Buffer.concat(pieces);
      pieces.push(piece);
    }
  };
  return files.read(path).pipe(mergeMap((reader) => from(read(reader))));
};
