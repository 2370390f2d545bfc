/** Where a manager writes what an operator may want to know. Any logger with pino's argument order will do. */
export interface Logger {
  /** What helps to find a fault. */
  debug(fields: object, message: string): void;
  /** What was done without being asked for: what a manager that opens brings back. */
  info(fields: object, message: string): void;
  /** What went wrong and was dealt with. */
  warn(fields: object, message: string): void;
  /** A fault of the application, with the error as `err`: a subscriber that threw. @defaultValue `warn` */
  error?(fields: object, message: string): void;
}
