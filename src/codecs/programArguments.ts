import * as t from 'io-ts';
import { secret } from './secret.js';
import { cText } from './scalars.js';

/** Decodes the arguments of a program; passwords are among them often enough. */
export const programArguments = secret(t.readonlyArray(cText, 'arguments (an array of texts)'));
