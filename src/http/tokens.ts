import { createHash } from 'node:crypto';
import { createVerifier } from 'fast-jwt';
import { isRecord } from '../codecs/closed.js';
import { Refusal } from './refusal.js';

/** Who asks, as far as a token says it. */
export interface Caller {
  /** The name under which events tell of what they asked for. */
  readonly by: string;
  /** What they may do; all where the token does not say. */
  readonly permissions: ReadonlySet<string> | undefined;
}

/** Tells who asks by the tokens that they bring. */
export interface Tokens {
  /** @throws {@link Refusal} for what is no token, or none that is valid now */
  callerOf(authorization: string | undefined): Caller;
}

interface Known {
  readonly caller: Caller;
  /** When it has to be looked at again: Unix time in milliseconds. */
  readonly until: number;
}

const keptMs = 30_000;
const mostKept = 1_000;

/**
 * Creates the {@link Tokens} of a secret: JWT signed by HS256, with hypeman's claims. To verify one takes longer than all else that a read
 * does, so what came of it is kept for a while, and never past its own end.
 */
export function createTokens(secret: string, now: () => number = Date.now): Tokens {
  const known = new Map<string, Known>();
  const verify = createVerifier({ key: secret, algorithms: ['HS256'] }) as (token: string) => unknown;

  const verified = (header: string): Known => {
    const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
    const time = now();
    const claims = token === undefined ? undefined : claimsOf(verify, token);
    if (claims === undefined) throw unauthorized('invalid or expired token');
    const ends = typeof claims['exp'] === 'number' ? claims['exp'] * 1_000 : Infinity;
    return { caller: callerBy(claims), until: Math.min(time + keptMs, ends) };
  };

  return {
    callerOf: (header) => {
      if (header === undefined) throw unauthorized('a token is required: Authorization: Bearer TOKEN');
      const kept = known.get(header);
      if (kept !== undefined && kept.until > now()) return kept.caller;
      known.delete(header);
      const found = verified(header);
      known.set(header, found);
      const [oldest] = known.keys();
      if (known.size > mostKept && oldest !== undefined) known.delete(oldest);
      return found.caller;
    },
  };
}

const unauthorized = (message: string): Refusal =>
  new Refusal(401, 'Unauthorized', message, { 'www-authenticate': 'Bearer' });

function claimsOf(
  verify: (token: string) => unknown,
  token: string,
): Readonly<Record<string, unknown>> | undefined {
  try {
    const claims = verify(token);
    return isRecord(claims) && !claimsOfOthers.some((claim) => claim in claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}

/** Tokens for a registry are signed with the same secret, and are none for this API; as hypeman's. */
const claimsOfOthers = ['repos', 'scope', 'build_id'];

function callerBy({ sub, permissions }: Readonly<Record<string, unknown>>): Caller {
  if (permissions === undefined) return { by: nameOf(sub), permissions: undefined };
  if (!Array.isArray(permissions) || !permissions.every((each) => typeof each === 'string'))
    throw unauthorized('invalid or expired token');
  return { by: nameOf(sub), permissions: new Set(permissions) };
}

/** A subject as the `by` of a cause, which is a word; what is none gets some of its hash, so that no two become one. */
function nameOf(subject: unknown): string {
  if (typeof subject !== 'string' || subject === '') return 'api';
  if (/^[a-z][a-z0-9_]{0,63}$/.test(subject) && !managersOwn.has(subject)) return subject;
  const hash = createHash('sha256').update(subject).digest('hex').slice(0, 8);
  const plain = subject
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 48);
  return `${/^[a-z]/.test(plain) ? plain : `user_${plain}`}_${hash}`;
}

const managersOwn: ReadonlySet<string> = new Set(['machine', 'deadline', 'recovery', 'close']);
