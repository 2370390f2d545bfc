import { createSigner } from 'fast-jwt';
import { createTokens } from '../../src/http/tokens.js';
import { thrownBy } from '../support/thrownBy.js';

const secret = 'the secret of these tests, and of none else';
const sign = (claims: object, key = secret): string =>
  `Bearer ${createSigner({ key, noTimestamp: true })(claims)}`;
const refusal = (call: () => unknown): unknown => (thrownBy(call) as { statusCode: number }).statusCode;

describe('a token', () => {
  it('says who asks, and what they may', () => {
    const tokens = createTokens(secret);
    expect(tokens.callerOf(sign({ sub: 'ci' }))).toEqual({ by: 'ci', permissions: undefined });
    expect(tokens.callerOf(sign({ sub: 'ci', permissions: ['instance:read'] }))).toEqual({
      by: 'ci',
      permissions: new Set(['instance:read']),
    });
  });

  it('is refused that is none, is signed otherwise, has expired, or is for something else', () => {
    const tokens = createTokens(secret);
    const none = `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"ci"}').toString('base64url')}.`;
    const past = Math.floor(Date.now() / 1_000) - 1;
    const wrong = [
      ...[undefined, '', 'Bearer', 'Bearer x', 'Basic eA==', none, sign({ sub: 'ci' }, 'some other secret')],
      ...[sign({ exp: past }), sign({ repos: [] }), sign({ scope: 'x' }), sign({ build_id: 'x' })],
      ...[sign({ permissions: 'instance:read' }), sign({ permissions: [1] })],
      `Bearer ${createSigner({ key: secret, algorithm: 'HS512' })({ sub: 'ci' })}`,
    ];
    for (const header of wrong)
      expect([header, refusal(() => tokens.callerOf(header))]).toEqual([header, 401]);
  });

  it('is looked at once in 30 seconds, and again when it has ended', () => {
    let now = Date.now();
    const tokens = createTokens(secret, () => now);
    const lasting = sign({ sub: 'ci' });
    const first = tokens.callerOf(lasting);
    now += 29_999;
    expect(tokens.callerOf(lasting)).toBe(first);
    now += 1;
    expect(tokens.callerOf(lasting)).not.toBe(first);
    const exp = Math.floor(now / 1_000) + 5;
    const short = sign({ sub: 'ci', exp });
    const known = tokens.callerOf(short);
    now = exp * 1_000 - 1;
    expect(tokens.callerOf(short)).toBe(known);
    now = exp * 1_000;
    expect(tokens.callerOf(short)).not.toBe(known);
  });

  it('is kept with a thousand others at most', () => {
    const tokens = createTokens(secret);
    const headers = Array.from({ length: 1_001 }, (_, index) => sign({ sub: `s${String(index)}` }));
    const [first, second] = headers.map((header) => tokens.callerOf(header));
    expect(tokens.callerOf(headers[1])).toBe(second);
    expect(tokens.callerOf(headers[0])).not.toBe(first);
  });

  it('is named in events by a word that is its own', () => {
    const tokens = createTokens(secret);
    const by = (sub: unknown): string => tokens.callerOf(sign({ sub })).by;
    expect([by('ci'), by(undefined)]).toEqual(['ci', 'api']);
    const made = ['a@b.c', 'a.b.c', 'A_b_c', '1', 'ü', 'machine', 'x'.repeat(300)].map(by);
    expect(new Set(made).size).toBe(made.length);
    for (const name of made) expect(name).toMatch(/^[a-z][a-z0-9_]{0,63}$/);
    expect(made[0]).toMatch(/^a_b_c_[0-9a-f]{8}$/);
  });
});
