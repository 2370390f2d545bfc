#!/usr/bin/env node
import { CliFault } from './cliFault.js';
import { createProgram } from './program.js';

createProgram()
  .parseAsync()
  .catch((error: unknown) => {
    const text = error instanceof CliFault ? error.message : String((error as Error).stack ?? error);
    process.stderr.write(`rx-instances: ${text}\n`);
    process.exitCode = 1;
  });
