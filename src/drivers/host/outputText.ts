import { outputLogs } from './outputLogs.js';
import { outputProgram } from './outputProgram.js';

/** The program of a reader of output as a function expression. The build makes it a literal, which no bundler changes. */
export const outputText = `() => (${outputProgram.toString()})({ outputLogs: ${outputLogs.toString()} })`;
