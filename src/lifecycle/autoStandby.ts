/** Whether an instance to which nobody is connected is put on standby. */
export type AutoStandby =
  | { readonly enabled: false }
  | {
      readonly enabled: true;
      /** How long after the last connection, in milliseconds. */
      readonly idleTimeoutMs: number;
      /** Networks whose connections do not count, such as `10.0.0.0/8`. */
      readonly ignoreSourceCidrs: readonly string[];
      /** Ports within the instance whose connections do not count. */
      readonly ignoreDestinationPorts: readonly number[];
    };
