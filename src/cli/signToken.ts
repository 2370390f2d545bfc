import { createSigner } from 'fast-jwt';

/** What a token says. */
export interface TokenClaims {
  readonly subject: string;
  readonly permissions: readonly string[];
  readonly lifetimeMs: number;
}

/** Signs a token as the API takes it. */
export const signToken = (secret: string, { subject, permissions, lifetimeMs }: TokenClaims): string =>
  createSigner({ key: secret, algorithm: 'HS256', expiresIn: lifetimeMs })({ sub: subject, permissions });
