/** Where a manager writes what an operator may want to know. Any logger with pino's argument order will do. */
export interface Logger {
  /** What helps to find a fault. */
  debug(fields: object, message: string): void;
  /** What went wrong and was dealt with. */
  warn(fields: object, message: string): void;
}

/** Writes nothing. */
export const noLogger: Logger = { debug: () => undefined, warn: () => undefined };
