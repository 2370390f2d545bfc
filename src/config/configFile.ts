import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { LineCounter, parseAllDocuments } from 'yaml';
import type { Fault } from '../lifecycle/errors.js';

const mostBytes = 2 ** 18;

/** Reads a YAML or JSON file of at most 256 KiB into plain values; of an empty one an empty object. */
export const readConfigFile = (path: string): TE.TaskEither<readonly Fault[], unknown> =>
  pipe(
    TE.tryCatch(
      () => readBytes(path),
      (error) => [{ path, found: reasonOf(error), expected: 'a file that can be read' }],
    ),
    TE.chainEitherK((bytes) => textOf(path, bytes)),
    TE.chainEitherK((text) => parse(path, text)),
  );

/** Reads one byte more than is allowed at most, however long the file is. */
async function readBytes(path: string): Promise<Uint8Array> {
  // Before it is opened: opening a pipe waits for its other end.
  const stats = await stat(path);
  if (!stats.isFile()) throw new Error(stats.isDirectory() ? 'a directory' : 'something that is no file');
  const chunks = (await createReadStream(path, { end: mostBytes }).toArray()) as readonly Uint8Array[];
  return Buffer.concat(chunks);
}

/** What Node says without the call and the path: `ENOENT: no such file or directory`. */
const reasonOf = (error: unknown): string => (error as Error).message.replace(/, \w+( '.*')?$/s, '');

function textOf(path: string, bytes: Uint8Array): E.Either<readonly Fault[], string> {
  if (bytes.length > mostBytes) {
    const limit = `${String(mostBytes)} bytes`;
    return E.left([{ path, found: `more than ${limit}`, expected: `at most ${limit}` }]);
  }
  return E.tryCatch(
    () => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
    () => [{ path, found: 'bytes that are no UTF-8', expected: 'YAML or JSON in UTF-8' }],
  );
}

function parse(path: string, text: string): E.Either<readonly Fault[], unknown> {
  const lines = new LineCounter();
  const broken = (place: string, { message }: Error): Fault => ({
    path: place,
    found: `broken YAML: ${message}`,
    expected: 'YAML or JSON',
  });

  const read = (): E.Either<readonly Fault[], unknown> => {
    const documents = [...parseAllDocuments(text, { ...plainYaml, lineCounter: lines })];
    const faults = documents
      .flatMap(({ errors, warnings }) => [...errors, ...warnings])
      .map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return broken(`${path}:${String(line)}:${String(col)}`, error);
      });
    if (faults.length > 0) return E.left(faults);
    if (documents.length > 1) {
      return E.left([{ path, found: `${String(documents.length)} documents`, expected: 'one document' }]);
    }
    return E.right(documents[0]?.toJS({ maxAliasCount: mostAliases }) ?? {});
  };

  // Thrown are aliases of nothing, too many aliases, and nesting deeper than the stack.
  return pipe(
    E.tryCatch(read, (error) => [broken(path, error as Error)]),
    E.flatten,
  );
}

const mostAliases = 100;

/** No tags, keys are texts, and each stands once. */
const plainYaml = {
  schema: 'core',
  resolveKnownTags: false,
  stringKeys: true,
  uniqueKeys: true,
  prettyErrors: false,
} as const;
