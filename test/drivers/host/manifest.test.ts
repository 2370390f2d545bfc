import { decodeManifest, encodeManifest, type Recorded } from '../../../src/drivers/host/manifest.js';

const borders = ['},{"kind":', '"},{"kind":"file', '},{', ']}', '\\', '\\"', '"', '},{"'];

/** More than is understood at once; each border of a piece lies at another of the names. */
const entries = Array.from({ length: 20_000 }, (_, index): Recorded => {
  const path = `${String(index)}${String(borders[index % borders.length])}`;
  const mode = 0o640;
  switch (index % 3) {
    case 0:
      return { kind: 'directory', path, mode };
    case 1:
      return { kind: 'link', path, target: path };
    default:
      return { kind: 'file', path, mode, size: 5, pieces: ['a'.repeat(64)] };
  }
});

test('a long manifest is understood in pieces, whatever its names, and others have the event loop between', async () => {
  let turns = 0;
  const found: Recorded[] = [];
  const turnsBefore: number[] = [];
  for await (const piece of decodeManifest(encodeManifest(entries))) {
    turnsBefore.push(turns);
    setImmediate(() => {
      turns += 1;
    });
    found.push(...piece);
  }
  expect(found).toStrictEqual(entries);
  expect(turnsBefore.length).toBeGreaterThan(5);
  expect(turnsBefore).toEqual(turnsBefore.map((_, index) => index));
});

test.each([
  ['of nothing', encodeManifest([])],
  ['of one entry', encodeManifest(entries.slice(0, 1))],
  ['that was written in another form', JSON.stringify({ entries: entries.slice(0, 3), version: 1 }, null, 1)],
])('a manifest %s is understood', async (_, json) => {
  const found: Recorded[] = [];
  for await (const piece of decodeManifest(json)) found.push(...piece);
  expect(found).toStrictEqual((JSON.parse(json) as { readonly entries: readonly Recorded[] }).entries);
});

test.each([
  ['{"version":2,"entries":[]}', 'version'],
  ['{"version":1,"entries":[{"kind":"nothing"}]}', 'kind'],
])('what cannot be understood is named: %s', async (json, path) => {
  await expect(decodeManifest(json).next()).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    faults: [{ path: expect.stringContaining(path) as string }],
  });
});
