/** What a manager does when it is killed: which verb, on which instance, and before or after which step of it. */
export interface CutOff {
  readonly dataDir: string;
  readonly verb:
    | 'create'
    | 'ensure'
    | 'start'
    | 'stop'
    | 'standby'
    | 'restore'
    | 'restart'
    | 'fork'
    | 'delete'
    | 'createSnapshot'
    | 'deleteSnapshot'
    | 'restoreSnapshot'
    | 'open';
  /** `before` or `after` what the driver is asked for, `after event` and its action, or `after outcome`. */
  readonly point: string;
  /** Name of the request for it. */
  readonly requestId?: string;
}
