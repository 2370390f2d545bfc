import type { Logger } from '../instances/logger.js';

/** Writes nothing. */
export const noLogger: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined };
