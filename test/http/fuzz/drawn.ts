import fc from 'fast-check';
import type { Operation } from './operations.js';
import { hostile, hostileText, names, valuesOf } from './valuesOf.js';

/** A request that was thought out, before it is known what there is on the server. */
export interface Drawn {
  readonly operation: Operation;
  readonly method: string;
  /** Parts of its path for the names in braces: as they are sent. */
  readonly parts: readonly Part[];
  /** What stands behind the path, as it is sent. */
  readonly query: string;
  readonly body: Body;
  readonly headers: readonly string[];
  /** How the length of the body is told. */
  readonly framing: 'length' | 'chunked' | 'tooLong' | 'tooShort' | 'both' | 'odd' | 'none';
}

/** A part of a path: as it is written, or that of a snapshot that there is. */
export type Part = string | { readonly snapshot: number };

/** The bytes of a body; they are only made when they are sent. */
export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'raw'; readonly bytes: () => Buffer };

const hostilePart = fc.constantFrom(
  ...[
    '%00',
    '%ff',
    '%',
    '%zz',
    '..',
    '.',
    '%2e%2e',
    '%2f',
    '%2F..%2F',
    'x'.repeat(257),
    '__proto__',
    '*',
    '',
  ],
  ...[
    '%F0%9F%98%80',
    'constructor',
    'a;b',
    'a%20b',
    '%0d%0a',
    'a%3Fb',
    '{id}',
    '~',
    "'",
    '"',
    '\\',
    '%25',
    '|',
  ],
);
const part: fc.Arbitrary<Part> = fc.oneof(
  { arbitrary: fc.constantFrom<Part>(...names), weight: 8 },
  { arbitrary: fc.nat(7).map((snapshot): Part => ({ snapshot })), weight: 6 },
  { arbitrary: hostilePart, weight: 1 },
);

/** Bodies that are no JSON of anybody's. */
const raw = fc.constantFrom<() => Buffer>(
  () => Buffer.alloc(0),
  () => Buffer.from('{'),
  () => Buffer.from('nul'),
  () => Buffer.from('"text"'),
  () => Buffer.from('[]'),
  () => Buffer.from('1e999'),
  () => Buffer.from('{"a":NaN}'),
  () => Buffer.from('\ufeff{}'),
  () => Buffer.from('{"name":"web","image":"any","__proto__":{"polluted":1}}'),
  () => Buffer.from('{"constructor":{"prototype":{"polluted":1}},"name":"web"}'),
  () => Buffer.from('{"name":"web","name":"db","image":"any","image":1}'),
  () => Buffer.from('{"\\u005f_proto__":{"a":1},"arguments":["\\ud800"]}'),
  () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  () => Buffer.from([0xc0, 0x80, 0xed, 0xa0, 0x80]),
  () => Buffer.from('[1,2', 'utf16le'),
  () => Buffer.from('['.repeat(50_000)),
  () => Buffer.from(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`),
  () => Buffer.from(`${'['.repeat(64)}${']'.repeat(64)}`),
  () => Buffer.from(`{"name":"${'x'.repeat(200_000)}"}`),
  () => Buffer.from(`{"a":${'9'.repeat(100_000)}}`),
  () => Buffer.from(`{${Array.from({ length: 5_000 }, (_, index) => `"k${String(index)}":1`).join()}}`),
  () => Buffer.alloc(2 ** 20 + 1, 0x20),
);

const tricks = fc.constantFrom<readonly string[]>(
  ...[['content-type: text/plain'], ['content-type: application/json; charset=utf-16'], ['content-type:']],
  ...[['content-type: application/json', 'content-type: text/html'], ['content-type: application/JSON ; x']],
  ...[['content-type: multipart/form-data; boundary=x'], ['content-type: application/x-www-form-urlencoded']],
  ...[
    ['content-encoding: gzip'],
    ['accept: text/event-stream'],
    ['accept: */*;q=0'],
    ['accept-encoding: br'],
  ],
  ...[
    ['host: evil.example'],
    ['host: localhost', 'host: evil.example'],
    ['host:'],
    ['host: [::1'],
    ['host: a b'],
  ],
  ...[['host: 127.0.0.1.evil.example'], ['host: localhost:99999'], [`host: ${'a'.repeat(2_000)}`]],
  ...[['origin: null'], ['origin: https://evil.example'], ['origin: http://localhost'], ['origin:']],
  ...[
    ['authorization: Bearer'],
    ['authorization: Basic YTpi'],
    ['authorization: Bearer a.b.c'],
    ['authorization:'],
  ],
  ...[
    ['authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.'],
    [`authorization: Bearer ${'a'.repeat(9_000)}`],
  ],
  ...[['idempotency-key: k1'], ['idempotency-key: k2'], ['idempotency-key:'], ['idempotency-key: a b']],
  ...[[`idempotency-key: ${'k'.repeat(128)}`], [`idempotency-key: ${'k'.repeat(129)}`]],
  ...[
    ['if-match: "1"'],
    ['if-match: *'],
    ['if-match: "0"'],
    ['if-match: W/"1"'],
    ['if-match: "999999999999999"'],
  ],
  ...[
    ['last-event-id: nonsense'],
    ['last-event-id:'],
    ['last-event-id: a:-1'],
    [`last-event-id: a:${'9'.repeat(30)}`],
  ],
  ...[['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'], ['traceparent: 00-0-0-0']],
  ...[['traceparent:'], ['traceparent: a', 'traceparent: b'], [`traceparent: ${'0'.repeat(5_000)}`]],
  ...[['expect: 100-continue'], ['expect: 200-maybe'], ['upgrade: websocket', 'connection: upgrade']],
  ...[['connection: close'], ['connection: keep-alive, close'], ['connection: x'], ['keep-alive: timeout=0']],
  ...[['x-a: \x80\xff'], ['x-a: \x01'], ['x a: 1'], [': 1'], ['x-a: 1', ' folded'], ['x-a']],
  ...[
    ['range: bytes=0-1'],
    ['x-http-method-override: DELETE'],
    ['x-forwarded-for: 1.2.3.4'],
    ['te: trailers'],
  ],
  ...[[`x-a: ${'a'.repeat(17_000)}`], Array.from({ length: 300 }, (_, index) => `x-${String(index)}: 1`)],
  ...[['__proto__: 1'], ['constructor: 1'], ['cookie: a=b; __proto__=c'], ['date: x']],
);

const text = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
const encoded = (value: string): string => encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'));
const pairsOf = (key: string, value: unknown): readonly string[] => {
  if (Array.isArray(value)) return value.map((each) => `${key}=${encoded(text(each))}`);
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).map(([name, its]) => `${key}[${encoded(name)}]=${encoded(text(its))}`);
  return [`${key}=${encoded(text(value))}`];
};
const oddQuery = fc.constantFrom(
  ...[
    '%zz',
    '%ff=%ff',
    '=',
    '&&&',
    'a[b][c][d]=1',
    '__proto__[x]=1',
    'constructor=1',
    'a='.repeat(300),
    '?',
    '#',
  ],
  ...['state=Running&state=Stopped', 'after=x:1&after=y:2', 'limit=1e3', 'tags[]=1', 'tags=1&tags[a]=2', '+'],
  ...['state[0]=Running', 'tags[a][b]=1', `x=${'y'.repeat(5_000)}`, 'watch', 'follow=1'],
);

function queryOf({ query }: Operation, isWild: boolean): fc.Arbitrary<string> {
  const fields = Object.fromEntries(query.map(({ name, schema }) => [name, valuesOf(schema, isWild)]));
  const values = fc
    .record(fields, { requiredKeys: isWild ? [] : query.slice(0, 1).map(({ name }) => name) })
    .map((all) =>
      Object.entries(all)
        .flatMap(([key, value]) => pairsOf(key, value))
        .join('&'),
    );
  if (!isWild) return query.length === 0 ? fc.constant('') : fc.oneof(values, fc.constant(''));
  return fc.oneof(
    { arbitrary: values, weight: 6 },
    { arbitrary: fc.constant(''), weight: 3 },
    { arbitrary: oddQuery, weight: 1 },
  );
}

const name = fc.constantFrom(...names);
/** Of the arguments of calls the document says nothing: it is told here what they may be. */
const argument: fc.Arbitrary<unknown> = fc.oneof(
  { arbitrary: name, weight: 8 },
  { arbitrary: fc.record({ name, image: fc.constant('any') }), weight: 4 },
  { arbitrary: fc.record({ name }), weight: 2 },
  {
    arbitrary: fc.constantFrom<unknown>({}, null, { kind: 'Stopped' }, { kind: 'Standby' }, 80, 'TERM'),
    weight: 3,
  },
  {
    arbitrary: fc.record(
      {
        requestId: fc.constantFrom('r1', 'r2', 'r3', ''),
        by: fc.constantFrom('me', 'machine', 'A'),
        expectedRevision: fc.constantFrom(1, 2, -1),
        timeoutMs: fc.constantFrom(0, 1, 1e9),
        traceparent: fc.constantFrom('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '0'),
        signal: fc.constantFrom<unknown>(null, {}, { aborted: true }),
        tags: fc.constantFrom<unknown>({ a: 'b' }, { a: 1 }),
        follow: fc.boolean(),
        tail: fc.constantFrom(0, 1, -1),
        name,
      },
      { requiredKeys: [] },
    ),
    weight: 4,
  },
  { arbitrary: hostile, weight: 2 },
);
const callBody = fc.oneof(
  { arbitrary: fc.record({ arguments: fc.array(argument, { maxLength: 4 }) }), weight: 8 },
  { arbitrary: fc.record({ arguments: fc.array(argument), lines: hostile }), weight: 1 },
);

/** What stands for the id of a snapshot that there is. */
export const anySnapshot = '@snapshot';

/** What a call takes besides the name of an instance. */
const meantArguments: Readonly<Record<string, readonly fc.Arbitrary<unknown>[]>> = {
  ...{ create: [fc.record({ name, image: fc.constant('any') })], list: [fc.constant({})] },
  ...{ run: [fc.record({ name, image: fc.constant('any') })], listSnapshots: [fc.constant({})] },
  ...{ fork: [name, fc.record({ name })], update: [name, fc.constant({ tags: { a: 'b' } })] },
  ...{ signal: [name, fc.constant('SIGTERM')], endpoint: [name, fc.constant(80)] },
  ...{ start: [name, fc.constant({})], logs: [name, fc.record({ follow: fc.boolean() })] },
  createSnapshot: [name, fc.record({ kind: fc.constantFrom('Stopped', 'Standby') })],
  ...{ getSnapshot: [fc.constant(anySnapshot)], deleteSnapshot: [fc.constant(anySnapshot)] },
  forkSnapshot: [fc.constant(anySnapshot), fc.record({ name })],
  restoreSnapshot: [name, fc.constant(anySnapshot), fc.constant({})],
};
const callsOf = (template: string, isWild: boolean): fc.Arbitrary<unknown> =>
  isWild ? callBody : meantCall(template);
const meantCall = (template: string): fc.Arbitrary<unknown> =>
  fc.record({ arguments: fc.tuple(...(meantArguments[template.replace('/calls/', '')] ?? [name])) });

function bodyOf({ body, template }: Operation, isWild: boolean): fc.Arbitrary<Body> {
  const json = (values: fc.Arbitrary<unknown>) => values.map((value): Body => ({ kind: 'json', value }));
  const none = fc.constant<Body>({ kind: 'none' });
  const meant =
    body === undefined
      ? none
      : json(template.startsWith('/calls/') ? callsOf(template, isWild) : valuesOf(body, isWild));
  if (!isWild) return meant;
  return fc.oneof(
    { arbitrary: meant, weight: 8 },
    { arbitrary: none, weight: 1 },
    { arbitrary: json(hostile), weight: 1 },
    { arbitrary: raw.map((bytes): Body => ({ kind: 'raw', bytes })), weight: 1 },
  );
}

const oddMethods = fc.constantFrom(
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
  'PATCH',
  'BREW',
  'PROPFIND',
  'get',
);

/** Requests for an operation: half of them as it is meant, and half with something that is not. */
export function requestsFor(operation: Operation): fc.Arbitrary<Drawn> {
  const count = operation.template.split('{').length - 1;
  const tame = fc.record<Drawn>({
    operation: fc.constant(operation),
    method: fc.constant(operation.method),
    parts: fc.array(part, { minLength: count, maxLength: count }),
    query: queryOf(operation, false),
    body: bodyOf(operation, false),
    headers: fc.constant([]),
    framing: fc.constantFrom('length', 'length', 'chunked'),
  });
  const wild = fc.record<Drawn>({
    operation: fc.constant(operation),
    method: fc.oneof(
      { arbitrary: fc.constant(operation.method), weight: 12 },
      { arbitrary: oddMethods, weight: 1 },
    ),
    parts: fc.array(part, { minLength: count, maxLength: count }),
    query: queryOf(operation, true),
    body: bodyOf(operation, true),
    headers: fc
      .oneof(
        { arbitrary: fc.constant<readonly (readonly string[])[]>([]), weight: 3 },
        { arbitrary: fc.array(tricks, { minLength: 1, maxLength: 2 }), weight: 2 },
        { arbitrary: hostileText.map((its) => [[`x-a: ${its.replace(/[^\x20-\x7e]/g, '?')}`]]), weight: 1 },
      )
      .map((all) => all.flat()),
    framing: fc.oneof(
      { arbitrary: fc.constantFrom<Drawn['framing']>('length', 'chunked'), weight: 12 },
      {
        arbitrary: fc.constantFrom<Drawn['framing']>('tooLong', 'tooShort', 'both', 'odd', 'none'),
        weight: 1,
      },
    ),
  });
  return fc.oneof(tame, wild);
}
