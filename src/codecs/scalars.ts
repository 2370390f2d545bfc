import * as t from 'io-ts';

/** Decodes a whole number from `min` to `max`, both allowed; -0 becomes 0. */
export const integer = (name: string, min: number, max: number): t.Type<number, number> => {
  const is = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
  return new t.Type(
    `${name} (a whole number from ${String(min)} to ${String(max)})`,
    is,
    (value, context) => (is(value) ? t.success(value + 0) : t.failure(value, context)),
    t.identity,
  );
};

/** Decodes a text for which `test` holds; `name` says what is expected. */
export const text = (name: string, test: (value: string) => boolean): t.Type<string, string> => {
  const is = (value: unknown): value is string => typeof value === 'string' && test(value);
  return new t.Type(
    name,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );
};

/** Decodes one of the given texts. */
export const oneOf = <const Values extends readonly string[]>(
  values: Values,
): t.Type<Values[number], string> => text(`one of ${values.join(', ')}`, (value) => values.includes(value));

/** Decodes a text that a C library can take: no NUL character in it. */
export const cText = text('a text without NUL characters', (value) => !value.includes('\0'));

/** Decodes the name of an environment variable. */
export const variableName = text('a variable name (not empty, no = or NUL)', (name) =>
  /^[^=\0]+$/.test(name),
);

/** Decodes what names a program: a path, or a name to be found in `PATH`. */
export const programName = text(
  'the path of a program, or its name',
  (value) => value !== '' && cText.is(value),
);

/** Decodes where a program works. What lies within a working directory is not left by it. */
export const workPlace = text(
  'a directory (an absolute path, or one within the working directory without "..", at most 4096 characters)',
  (path) =>
    path !== '' &&
    path.length <= 4_096 &&
    cText.is(path) &&
    (path.startsWith('/') || !path.split('/').includes('..')),
);

/** Decodes a TCP port. */
export const port = integer('TCP port', 1, 65_535);

/** The longest timer of Node, in milliseconds: about 24.8 days. */
export const longestTimerMs = 2 ** 31 - 1;
