import fs from 'node:fs';
import type { CopySteps } from './copyProgram.js';

type Call = (...args: readonly unknown[]) => void;
const calls = fs as unknown as Readonly<Record<string, Call>>;

/** Goes on with a copy, in Node's pool of threads. */
export async function copySteps<T>(steps: CopySteps<T>): Promise<T> {
  let step = steps.next();
  while (step.done !== true) {
    const { name, args } = step.value;
    let given: unknown;
    try {
      // `node:fs/promises` takes twice the time of the event loop.
      given = await new Promise((resolve, reject) => {
        calls[name]?.(...args, (error: unknown, value: unknown) => {
          if (error === null || error === undefined) resolve(value);
          else reject(error);
        });
      });
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(given);
  }
  return step.value;
}
