import * as t from 'io-ts';
import { secret } from '../codecs/secret.js';
import { cText } from '../codecs/scalars.js';

/** Decodes the arguments of a program; passwords are among them often enough. */
export const programArguments = secret(t.readonlyArray(cText, 'arguments (an array of texts)'));
