import { randomBytes } from 'node:crypto';
import { text } from '../codecs/scalars.js';
import { secret as secretCodec } from '../codecs/secret.js';

/** A secret that signs. */
export interface SigningSecret {
  readonly secret: string;
  /** When it ends to sign, as Unix time in milliseconds. */
  readonly until?: number;
}

/** A secret that nobody can guess. */
export const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

const form = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Decodes a secret as Standard Webhooks has it. */
export const signingSecret = secretCodec(
  text('a secret (whsec_, then 24 to 64 bytes in base64)', (value) => {
    if (value.length > 100 || !form.test(value)) return false;
    const { length } = Buffer.from(value.slice(6), 'base64');
    return length >= 24 && length <= 64;
  }),
);

/** Those that still sign, newest first. */
export const stillSigning = (secrets: readonly SigningSecret[], now: number): readonly SigningSecret[] =>
  secrets.filter(({ until = Infinity }) => until > now);
