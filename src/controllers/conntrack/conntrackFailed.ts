import { onOneLine } from '../../lifecycle/onOneLine.js';
import { taggedError } from '../../lifecycle/taggedError.js';

/**
 * The connections that the kernel tracks could not be read; `reason` says why. `kind` is `unsupported_platform` where they never can be, and
 * `observer_error` where they may be later.
 */
export class ConntrackFailed extends taggedError(
  'ConntrackFailed',
  ({ reason }: { readonly kind: 'unsupported_platform' | 'observer_error'; readonly reason: string }) =>
    `tracked connections cannot be read: ${onOneLine(reason)}`,
) {}
