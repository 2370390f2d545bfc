import fc from 'fast-check';
import type { Schema } from './operations.js';

/** Names that come again and again, so that what is asked for is there now and then. */
export const names = ['web', 'db', 'a', 'b-1', 'cache', 'x'.repeat(63)] as const;

const deep = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

/** What nobody should send where something else is meant. */
export const hostileText = fc.constantFrom(
  ...['', ' ', '\0', 'a\0b', '\r\n', 'x\r\nevil: 1', '\ud800', '\u202e', '😀'.repeat(40), 'é', '__proto__'],
  ...['constructor', 'toString', 'hasOwnProperty', '../../etc/passwd', '..', '/', '%00', '$ref', '{{7*7}}'],
  ...['9'.repeat(400), '-1', '1e999', 'NaN', 'null', 'true', '0x10', 'x'.repeat(300), 'x'.repeat(20_000)],
  ...[
    '1h'.repeat(50),
    '99999999999h',
    '-5m',
    '1ns',
    '0',
    '9999-12-31T23:59:59Z',
    '+275760-09-13T00:00:00.001Z',
  ],
);
export const hostile: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(null, true, false, 0, -0, -1, 0.5, 1e308, 2 ** 31, 2 ** 53, -(2 ** 63), 5e-324),
  fc.constantFrom<unknown>([], {}, [[]], [null], { '': '' }, { length: 1e9 }, { toJSON: 1 }, { then: 1 }),
  fc.constantFrom<unknown>(
    deep(20),
    deep(60),
    deep(200),
    Array.from({ length: 5_000 }, () => 0),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

const plainText = fc.oneof(
  {
    arbitrary: fc.constantFrom(...names, 'any', 'memory', '1h', '512MB', 'Running', 'SIGTERM', '/'),
    weight: 6,
  },
  { arbitrary: fc.string({ maxLength: 12 }), weight: 1 },
);

/** Values that a schema admits, mostly. With `isWild` there is something of which it says nothing anywhere in one of ten. */
export function valuesOf(schema: Schema, isWild: boolean): fc.Arbitrary<unknown> {
  const meant = meantBy(schema, isWild);
  if (!isWild) return meant;
  return fc.oneof({ arbitrary: meant, weight: 9 }, { arbitrary: hostile, weight: 1 });
}

function meantBy(schema: Schema, isWild: boolean): fc.Arbitrary<unknown> {
  const { type, enum: values, oneOf, examples, format, pattern, minimum = 0, maximum = 2 ** 31 } = schema;
  if ('not' in schema) return hostile;
  if (Array.isArray(values)) return fc.constantFrom(...(values as readonly unknown[]));
  if (Array.isArray(oneOf))
    return fc.oneof(...(oneOf as readonly Schema[]).map((each) => valuesOf(each, isWild)));
  if (Array.isArray(examples)) return fc.constantFrom(...(examples as readonly unknown[]), '10ms');
  if (format === 'date-time') return fc.constantFrom('2030-01-02T03:04:05Z', '2020-01-02T03:04:05.678Z');
  // Nothing is sent to them: the one is refused, the other has no address.
  if (format === 'uri') return fc.constantFrom('https://127.0.0.1:9/', 'https://hook.invalid/');
  if (pattern !== undefined) return fc.constantFrom(...names);
  if (type === 'boolean') return fc.boolean();
  if (type === 'integer') {
    const [min, max] = [minimum as number, maximum as number];
    return fc.oneof(fc.integer({ min, max: Math.min(max, min + 5) }), fc.integer({ min, max }));
  }
  if (type === 'array')
    return fc.array(valuesOf((schema['items'] ?? {}) as Schema, isWild), { maxLength: 3 });
  if (type === 'object') return objectsOf(schema, isWild);
  if (type === 'string') return plainText;
  return fc.oneof(plainText, fc.jsonValue({ maxDepth: 2 }));
}

function objectsOf(schema: Schema, isWild: boolean): fc.Arbitrary<unknown> {
  const { properties, required = [], additionalProperties: rest } = schema;
  if (properties === undefined) {
    const values =
      typeof rest === 'object' ? valuesOf(rest as Schema, isWild) : fc.jsonValue({ maxDepth: 1 });
    const keys = isWild ? fc.oneof(plainText, hostileText) : fc.constantFrom('A', 'B', 'C_1');
    return fc.dictionary(keys, values, { maxKeys: 3 });
  }
  const all = Object.entries(properties as Readonly<Record<string, Schema>>);
  const needed = required as readonly string[];
  const known = Object.fromEntries(
    all.filter(([, its]) => isWild || !('not' in its)).map(([key, its]) => [key, valuesOf(its, isWild)]),
  );
  const others = Object.keys(known).filter((key) => !needed.includes(key));
  // Of forty fields one is always wrong: a few at a time.
  const some = fc.subarray(others, { maxLength: Math.min(isWild ? 6 : 2, others.length) });
  const whole = some.chain((keys) => fc.record(partOf(known, [...needed, ...keys])));
  if (!isWild) return whole;
  const without = fc.record(known, { requiredKeys: [] });
  const withMore = fc
    .tuple(whole, fc.oneof(plainText, hostileText), hostile)
    .map(([object, key, value]) => ({ ...object, [key]: value }));
  return fc.oneof(
    { arbitrary: whole, weight: 8 },
    { arbitrary: without, weight: 1 },
    { arbitrary: withMore, weight: 1 },
  );
}

const partOf = <T>(all: Readonly<Record<string, T>>, keys: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)));
