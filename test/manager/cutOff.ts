/** What a manager does when it is killed: which verb, on which instance, and before or after which step of it. */
export interface CutOff {
  readonly dataDir: string;
  readonly verb: 'create' | 'start' | 'stop' | 'standby' | 'restore' | 'restart' | 'fork' | 'delete' | 'open';
  /** `before` or `after` what the driver is asked for, or `after event` and its action. */
  readonly point: string;
}
