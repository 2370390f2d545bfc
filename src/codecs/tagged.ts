import * as t from 'io-ts';
import { isRecord } from './closed.js';

/** Decodes one of several objects told apart by the value of one key, so that a fault is told of the one that was meant. */
export function tagged<Variants extends Readonly<Record<string, t.Mixed>>>(
  name: string,
  tag: string,
  variants: Variants,
): t.Type<t.TypeOf<Variants[keyof Variants]>, unknown> {
  type A = t.TypeOf<Variants[keyof Variants]>;
  const kinds = Object.keys(variants);
  return new t.Type<A, unknown>(
    name,
    (value): value is A => kinds.some((kind) => variants[kind]?.is(value)),
    (value, context) => {
      if (!isRecord(value)) return t.failure(value, context);
      const kind = Object.hasOwn(value, tag) ? value[tag] : undefined;
      const variant = typeof kind === 'string' && Object.hasOwn(variants, kind) ? variants[kind] : undefined;
      if (variant !== undefined) return variant.validate(value, context) as t.Validation<A>;
      return t.failure(kind, t.appendContext(context, tag, t.never, kind), `one of ${kinds.join(', ')}`);
    },
    (value) => {
      const kind = (value as Readonly<Record<string, unknown>>)[tag] as string;
      return (variants[kind] as t.Mixed).encode(value) as unknown;
    },
  );
}
