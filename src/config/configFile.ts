import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import { exceeded } from '../codecs/measure.js';
import type { Fault } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { onOneLine } from '../lifecycle/onOneLine.js';

/** The parser's time grows with the square of the number of keys. */
const mostBytes = 2 ** 16;

/** What the parser says after its tenth complaint follows from those before. */
const mostComplaints = 10;

/** Reads a YAML or JSON file of at most 64 KiB into plain values; of an empty one an empty object. */
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
const reasonOf = (error: unknown): string => messageOf(error).replace(/, \w+( '.*')?$/s, '');

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

/** Deeper than any configuration is. */
const mostLevels = 32;

function parse(path: string, text: string): E.Either<readonly Fault[], unknown> {
  return mayNest(text) > mostLevels ? E.left([tooDeep(path)]) : parsed(path, text);
}

/**
 * How deep a text nests at most. Looked at before the parser sees it, which calls itself for each level, and may end the
 * process where it runs out of stack: a block is indented by a column at least more than the one it lies in, and other levels
 * have a bracket each.
 */
function mayNest(text: string): number {
  let [brackets, deepest] = [0, 0];
  for (const line of text.split(/\r\n?|\n/)) {
    if (/^[ \t]*(#|$)/.test(line)) continue;
    const [indentation = ''] = /^[ \t?:-]*/.exec(line) ?? [];
    // Two columns for each level, as files are written.
    deepest = Math.max(deepest, Math.ceil(indentation.length / 2));
    for (const bracket of line.match(/[[\]{}]/g) ?? []) {
      brackets = Math.max(0, brackets + (bracket === '[' || bracket === '{' ? 1 : -1));
      deepest = Math.max(deepest, brackets);
    }
  }
  return deepest;
}

const tooDeep = (path: string): Fault => {
  const levels = `${String(mostLevels)} levels of nesting`;
  return { path, found: `more than ${levels}`, expected: `at most ${levels}` };
};

function parsed(path: string, text: string): E.Either<readonly Fault[], unknown> {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { ...plainYaml, lineCounter });
  const broken = (place: string, message: string): Fault => ({
    path: place,
    found: `broken YAML (${message})`,
    expected: 'one document of YAML or JSON',
  });
  const faultOf = ({ code, message, pos }: YAMLError): Fault => {
    const { line, col } = lineCounter.linePos(pos[0]);
    // The parser's own words advise the programmer.
    const complaint = code === 'MULTIPLE_DOCS' ? 'a second document' : onOneLine(message);
    return broken(`${path}:${String(line)}:${String(col)}`, complaint);
  };
  const complaints = [...document.errors, ...document.warnings].slice(0, mostComplaints);
  if (complaints.length > 0) return E.left(complaints.map(faultOf));
  // Thrown are aliases of nothing, and aliases that unfold to too much.
  return pipe(
    E.tryCatch(
      () => (document.toJS() as unknown) ?? {},
      (error) => [error instanceof RangeError ? tooDeep(path) : broken(path, onOneLine(messageOf(error)))],
    ),
    E.filterOrElse(
      (value) => exceeded(value, { bytes: Infinity, levels: mostLevels }) === undefined,
      () => [tooDeep(path)],
    ),
  );
}

/** No tags of applications, keys are texts, and each stands once. */
const plainYaml = {
  schema: 'core',
  resolveKnownTags: false,
  stringKeys: true,
  uniqueKeys: true,
  prettyErrors: false,
} as const;
