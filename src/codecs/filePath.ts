import * as t from 'io-ts';
import { cText } from './scalars.js';

const longest = 4_096;

const isPath = (value: unknown): value is string =>
  cText.is(value) && value.length <= longest && !value.split('/').includes('..');

/** Decodes the path of a file of an instance into that from the top on, without empty parts and those that are `.`. */
export const filePath = new t.Type<string, string>(
  `the path of a file (at most ${String(longest)} characters, without "..")`,
  isPath,
  (value, context) =>
    isPath(value)
      ? t.success(
          value
            .split('/')
            .filter((part) => part !== '' && part !== '.')
            .join('/'),
        )
      : t.failure(value, context),
  t.identity,
);
