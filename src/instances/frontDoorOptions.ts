/** Options of the front door of a manager. Times are milliseconds. */
export interface FrontDoorOptions {
  /** Address of this host on which it listens. @defaultValue `'127.0.0.1'` */
  readonly host?: string;
  /** How long a client is kept until its instance answers, and a wake may take to launch a machine. @defaultValue 60000 */
  readonly wakeTimeoutMs?: number;
  /** How many connections a port has at most, those that wait included; one more is reset. @defaultValue 4096 */
  readonly maxConnections?: number;
  /**
   * How much memory the bytes of one client may take while it waits, in bytes, what each piece costs included; then the door does not
   * read on until the client is handed through. The last piece that was read may go beyond it, by 64 KiB at most. @defaultValue 16384
   */
  readonly maxHeldBytes?: number;
  /** The same for all clients together. @defaultValue 67108864 */
  readonly maxHeldBytesInAll?: number;
  /** How long connections of an instance that has stopped may take to end by themselves; then they are reset. @defaultValue 2000 */
  readonly drainMs?: number;
  /**
   * How young a connection on which nobody has spoken yet has to be, when its instance comes to Standby, to count as one that came
   * while that was written down, and so wakes it. @defaultValue 5000
   */
  readonly raceMs?: number;
}
