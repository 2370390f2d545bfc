import type { PortStatus } from '../instances/instanceStatus.js';

/** How it stands with a port, and of which instance it is. */
export interface ToldStatus extends PortStatus {
  readonly instanceId: string;
}
