import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import type { Json } from '../../lifecycle/instance.js';
import { isRecord } from '../closed.js';
import { validatePart } from '../validatePart.js';

/** What a value is written as: an object of JSON. */
export type WireObject = Readonly<Record<string, Json>>;

/** A key of an object: what it is called on the wire, and what stands there. */
export interface WireKey<Codec extends t.Mixed, Presence extends 'required' | 'optional'> {
  readonly called: string;
  readonly codec: Codec;
  readonly presence: Presence;
}

/** A key that is always there. */
export const required = <Codec extends t.Mixed>(
  called: string,
  codec: Codec,
): WireKey<Codec, 'required'> => ({
  called,
  codec,
  presence: 'required',
});

/** A key that may be absent. */
export const optional = <Codec extends t.Mixed>(
  called: string,
  codec: Codec,
): WireKey<Codec, 'optional'> => ({
  called,
  codec,
  presence: 'optional',
});

/** The keys of an object. */
export type WireKeys = Readonly<Record<string, WireKey<t.Mixed, 'required' | 'optional'>>>;
type NamesOf<K extends WireKeys, Presence> = {
  [Name in keyof K]: K[Name]['presence'] extends Presence ? Name : never;
}[keyof K];

/** What an object of these keys is within a program. */
export type WiredBy<K extends WireKeys> = {
  readonly [Name in NamesOf<K, 'required'>]: t.TypeOf<K[Name]['codec']>;
} & { readonly [Name in NamesOf<K, 'optional'>]?: t.TypeOf<K[Name]['codec']> };

/** The codec of an object of which only the keys that it knows are looked at. */
export class WireObjectType<A> extends t.Type<A, WireObject> {
  constructor(
    name: string,
    is: t.Is<A>,
    validate: t.Validate<unknown, A>,
    /** Writes the keys into an object that may have others: to copy one takes longer than all else. */
    readonly encodeInto: (encoded: Record<string, Json>, value: A) => Record<string, Json>,
  ) {
    super(name, is, validate, (value) => encodeInto({}, value));
  }
}

/**
 * The codec of an object: each key is called one thing in a program and another on the wire. A key that is not known is passed over
 * when it is read, so that who is newer may write more.
 */
export function wireObject<const K extends WireKeys>(name: string, keys: K): WireObjectType<WiredBy<K>> {
  const entries = Object.entries(keys);

  const validate: t.Validate<unknown, WiredBy<K>> = (value, context) => {
    if (!isRecord(value)) return t.failure(value, context);
    const errors: t.Errors = [];
    const decoded: Record<string, unknown> = {};
    for (const [key, { called, codec, presence }] of entries) {
      const part = Object.hasOwn(value, called) ? value[called] : undefined;
      if (part === undefined && presence === 'optional') continue;
      const result = validatePart(codec, part, context, called);
      if (E.isRight(result)) decoded[key] = result.right;
      else errors.push(...result.left);
    }
    return errors.length > 0 ? t.failures(errors) : t.success(decoded as WiredBy<K>);
  };

  const encodeInto = (encoded: Record<string, Json>, value: WiredBy<K>): Record<string, Json> => {
    for (const [key, { called, codec }] of entries) {
      const part = (value as Readonly<Record<string, unknown>>)[key];
      if (part !== undefined) encoded[called] = codec.encode(part) as Json;
    }
    return encoded;
  };

  return new WireObjectType<WiredBy<K>>(
    name,
    (value): value is WiredBy<K> =>
      isRecord(value) &&
      entries.every(([key, { codec, presence }]) =>
        value[key] === undefined ? presence === 'optional' : codec.is(value[key]),
      ),
    validate,
    encodeInto,
  );
}
