import { codeOf } from './codeOf.js';

/** Does work; resolves with the code of its failure where that is one of these, and with nothing when it is done. */
export async function attempt(
  work: () => Promise<unknown>,
  codes: readonly string[],
): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    if (codes.includes(code)) return code;
    throw error;
  }
}
