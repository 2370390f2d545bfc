import type * as t from 'io-ts';
import { closed } from '../codecs/closed.js';

/** What JSON Schema says of a value. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** How a value is understood, and how the document tells of it. */
export interface Described<A> {
  readonly codec: t.Decoder<unknown, A>;
  readonly schema: JsonSchema;
}

type Fields = Readonly<Record<string, Described<unknown>>>;
/** What a value of this description is once it is understood. */
export type ValueOf<F> = F extends Described<infer A> ? A : never;
type ObjectOf<R extends Fields, O extends Fields> = { readonly [K in keyof R]: ValueOf<R[K]> } & {
  readonly [K in keyof O]?: ValueOf<O[K]>;
};

/** Describes a value. */
export const described = <A>(codec: t.Decoder<unknown, A>, schema: JsonSchema): Described<A> => ({
  codec,
  schema,
});

/** Describes an object of these keys and no others: both by one list, so that the document says what is taken. */
export function describedObject<R extends Fields, O extends Fields>(
  name: string,
  required: R,
  optional: O,
): Described<ObjectOf<R, O>> {
  const fields = { ...required, ...optional };
  return {
    codec: closed(name, codecsOf(required), codecsOf(optional)) as t.Decoder<unknown, unknown> as t.Decoder<
      unknown,
      ObjectOf<R, O>
    >,
    schema: {
      type: 'object',
      ...(Object.keys(required).length > 0 && { required: Object.keys(required) }),
      properties: Object.fromEntries(Object.entries(fields).map(([key, { schema }]) => [key, schema])),
      additionalProperties: false,
    },
  };
}

const codecsOf = (fields: Fields): Record<string, t.Mixed> =>
  Object.fromEntries(Object.entries(fields).map(([key, { codec }]) => [key, codec])) as unknown as Record<
    string,
    t.Mixed
  >;
