import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { found } from '../codecs/decode.js';
import type { Fault } from '../lifecycle/errors.js';
import { keys, type Settings } from './settings.js';

/** Environment variables, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Variable {
  readonly section: string;
  readonly key: string;
  readonly codec: Codec;
}

type Codec = Pick<t.Mixed, 'name'> & { readonly is: (value: unknown) => boolean };

const nameOf = (section: string, key: string): string => `${section}__${key}`.toUpperCase();

const variables = new Map<string, Variable>(
  Object.entries(keys).flatMap(([section, codecs]) =>
    Object.entries<Codec>(codecs).map(([key, codec]) => [nameOf(section, key), { section, key, codec }]),
  ),
);

const prefixes = Object.keys(keys).map((section) => nameOf(section, ''));
const noSuchVariable = `no such variable; known are ${[...variables.keys()].join(', ')}`;

/**
 * Decodes the settings that the environment makes: for each key a variable with its name in upper case and `__` between
 * section and key. Empty variables and those of others are passed over; one that begins as ours and names no key is a
 * fault. The path of a fault is the variable's name.
 */
export function decodeEnvironment(env: Environment): E.Either<readonly Fault[], Settings> {
  const faults: Fault[] = [];
  const settings: Record<string, Record<string, unknown>> = {};

  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || text === '') continue;
    const variable = variables.get(name);
    if (variable !== undefined) {
      const { section, key, codec } = variable;
      const value = valueOf(codec, text);
      if (codec.is(value)) settings[section] = { ...settings[section], [key]: value };
      else faults.push({ path: name, found: found(text), expected: codec.name });
    } else if (prefixes.some((prefix) => name.startsWith(prefix))) {
      faults.push({ path: name, found: found(text), expected: noSuchVariable });
    }
  }
  return faults.length > 0 ? E.left(faults) : E.right(settings);
}

/** Reads a text as the whole number that it is, where a text is not wanted. */
const valueOf = (codec: Codec, text: string): unknown =>
  !codec.is(text) && /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : text;
