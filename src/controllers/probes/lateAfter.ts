/** What is said of an instance that did not answer in time. */
export const lateAfter = (timeoutMs: number): string => `there was no answer within ${String(timeoutMs)} ms`;
