/** Where a manager writes what an operator may want to know. Any logger with pino's argument order will do. */
export interface Logger {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Writes nothing. */
export const noLogger: Logger = { debug: () => undefined, warn: () => undefined };
