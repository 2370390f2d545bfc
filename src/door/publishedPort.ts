/** From which state a connection wakes an instance; `stopped` is from Stopped and from Standby. */
export type WakeFrom = 'standby' | 'stopped' | 'never';

/** A port of an instance for which the door listens. */
export interface PublishedPort {
  /** Port within the instance. */
  readonly guest: number;
  /** Port of this host. @defaultValue a free one, which is kept as long as the instance */
  readonly host?: number;
  /** @defaultValue `'standby'` */
  readonly wake?: WakeFrom;
}
