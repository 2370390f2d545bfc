import { copyProgram } from './copyProgram.js';
import { copyThread } from './copyThread.js';
import { hashProgram } from './hashProgram.js';

const programs = [copyProgram, hashProgram].map((program) => `(${program.toString()})()`);

/** The program of a thread that copies. The build makes it a literal, which no bundler changes. */
export const copyText = `(${copyThread.toString()})(${programs.join()})`;
