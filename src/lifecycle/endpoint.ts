/** Where a TCP port of an instance is connected to. */
export interface Endpoint {
  /** An address of IPv4 or IPv6. */
  readonly host: string;
  readonly port: number;
}
