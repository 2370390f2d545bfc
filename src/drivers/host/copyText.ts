import { copyProgram } from './copyProgram.js';
import { copyThread } from './copyThread.js';

/** The program of a thread that copies. The build makes it a literal, which no bundler changes. */
export const copyText = `(${copyThread.toString()})((${copyProgram.toString()})())`;
