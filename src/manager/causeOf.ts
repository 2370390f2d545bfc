import type { Cause } from '../lifecycle/cause.js';
import type { Change } from '../lifecycle/event.js';

/** The cause that is written down for a change: that an exit was the work of the kernel's memory killer, the change itself tells. */
export const causeOf = ({ action, instance }: Change, cause: Cause): Cause =>
  action === 'exit' && instance.exit?.oomKilled === true && cause.reason === undefined
    ? { ...cause, reason: 'oom' }
    : cause;
