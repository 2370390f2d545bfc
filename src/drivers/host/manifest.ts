import * as t from 'io-ts';
import { setImmediate } from 'node:timers/promises';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { integer } from '../../codecs/scalars.js';
import { tagged } from '../../codecs/tagged.js';

/** An entry of the content of a sealed folder, as it was before it was sealed. */
export type Recorded = t.TypeOf<typeof recordedEntry>;

/** Writes a manifest of entries, which are sorted by path. */
export const encodeManifest = (entries: readonly Recorded[]): string =>
  JSON.stringify({ version: 1, entries } satisfies t.TypeOf<typeof manifest>);

/**
 * Reads a manifest: emits its entries, in its order. A long one is understood in pieces, and others have the event loop between.
 *
 * @throws {@link InvalidRequest} naming every fault of a piece
 */
export async function* decodeManifest(json: string): AsyncGenerator<readonly Recorded[]> {
  for (const piece of piecesOf(json)) {
    yield decodeOrThrow(manifest, JSON.parse(piece)).entries;
    await setImmediate();
  }
}

/** A piece ends with the first entry that reaches so far. */
const pieceLength = 128 * 1_024;
const [beginning, ending] = ['{"version":1,"entries":[', ']}'];
/** Between two entries, and nowhere else: within a text a quote is escaped, and after the one that ends it no letter comes. */
const between = '},{"kind":';

/** Manifests of some of the entries each. What was not written by {@link encodeManifest} is left whole. */
function* piecesOf(json: string): Generator<string> {
  if (!json.startsWith(beginning) || !json.endsWith(ending)) {
    yield json;
    return;
  }
  const end = json.length - ending.length;
  for (let start = beginning.length; start < end;) {
    const found = json.indexOf(between, start + pieceLength);
    const to = found === -1 ? end : found + 1;
    yield `${beginning}${json.slice(start, to)}${ending}`;
    start = to + 1;
  }
}

const path = t.string;
const mode = integer('mode', 0, 0o7777);

const recordedEntry = tagged('an entry', 'kind', {
  directory: closed('a directory', { kind: t.literal('directory'), path, mode }, {}),
  file: closed(
    'a file',
    {
      kind: t.literal('file'),
      path,
      mode,
      size: integer('bytes', 0, Number.MAX_SAFE_INTEGER),
      pieces: t.readonlyArray(t.string),
    },
    {},
  ),
  link: closed('a link', { kind: t.literal('link'), path, target: t.string }, {}),
});

const manifest = closed('a manifest', { version: t.literal(1), entries: t.readonlyArray(recordedEntry) }, {});
