import { spawnerProgram } from './spawnerProgram.js';

/** The program of a spawner as a function expression. The build makes it a literal, which no bundler changes. */
export const spawnerText = spawnerProgram.toString();
