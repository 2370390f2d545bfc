/** What lies at a path of an instance. A link is told itself, not what it leads to. */
export interface FileStat {
  /** From the top of the instance's files on, without a `/` at its beginning; empty for the top itself. */
  readonly path: string;
  /** `other` is a pipe, a socket or a device. */
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  /** In bytes. */
  readonly size: number;
  /** Who may do what with it, as a number: `0o644`. */
  readonly mode: number;
  /** When its content was changed last: Unix time in milliseconds. */
  readonly modifiedAt: number;
  /** Where a link leads to. */
  readonly target?: string;
}
