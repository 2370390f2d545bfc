import type { Address } from './doorManager.js';

/** How it stands with a published port. */
export interface PortStatus {
  readonly instanceId: string;
  readonly guest: number;
  /** `opening` is a moment; `retrying` lasts until the address is free. */
  readonly state: 'opening' | 'listening' | 'retrying';
  /** Where clients connect to, once that is known; it stays the same as long as the instance. */
  readonly address?: Address;
  /** Why it is `retrying`. */
  readonly reason?: string;
}
