import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { found } from '../codecs/decode.js';
import { described } from '../codecs/described.js';
import { isSecret } from '../codecs/secret.js';
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

/** How to read the environment. */
export interface EnvironmentOptions {
  /**
   * Whether to read hypeman's names too, which have no prefix: `METRICS__PORT`. Other programs may have set them for themselves.
   * A name with the prefix wins.
   *
   * @defaultValue false
   */
  readonly bareVariables?: boolean;
}

/** What the name of each of our variables begins with, so that none of other programs is taken for ours. */
const prefix = 'RX_INSTANCES__';

const bareNameOf = (section: string, key: string): string => `${section}__${key}`.toUpperCase();

const variables = new Map<string, Variable>(
  Object.entries(keys).flatMap(([section, codecs]) =>
    Object.entries<Codec>(codecs).map(([key, codec]) => [bareNameOf(section, key), { section, key, codec }]),
  ),
);

const known = [...variables.keys()].map((name) => prefix + name).join(', ');
const noSuchVariable = `no such variable; known are ${known}`;

/**
 * Decodes the settings that the environment makes: for each key a variable with its name in upper case, `RX_INSTANCES__` before
 * it and `__` between section and key. Empty variables and those of others are passed over; one that begins as ours and names no
 * key is a fault, of whose value kind and size are told only. The path of a fault is the variable's name.
 */
export function decodeEnvironment(
  env: Environment,
  { bareVariables = false }: EnvironmentOptions = {},
): E.Either<readonly Fault[], Settings> {
  const faults: Fault[] = [];
  const settings: Record<string, Record<string, unknown>> = {};

  const take = (name: string, text: string, tell: (text: string) => string): void => {
    const variable = variables.get(name.startsWith(prefix) ? name.slice(prefix.length) : name);
    if (variable === undefined) {
      faults.push({ path: name, found: described(text), expected: noSuchVariable });
      return;
    }
    const { section, key, codec } = variable;
    const value = valueOf(codec, text);
    if (codec.is(value)) settings[section] = { ...settings[section], [key]: value };
    else {
      const found = isSecret(codec) ? described(text) : tell(text);
      faults.push({ path: name, found, expected: codec.name });
    }
  };

  const said = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
  );
  if (bareVariables) {
    for (const [name, text] of said) if (variables.has(name)) take(name, text, described);
  }
  for (const [name, text] of said) if (name.startsWith(prefix)) take(name, text, found);
  return faults.length > 0 ? E.left(faults) : E.right(settings);
}

/** Reads a text as the whole number, `true` or `false` that it is, where a text is not wanted. */
const valueOf = (codec: Codec, text: string): unknown =>
  !codec.is(text) && /^(0|-?[1-9]\d*|true|false)$/.test(text) ? JSON.parse(text) : text;
