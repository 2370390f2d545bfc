import { readJson } from '../../src/http/readJson.js';
import { thrownBy } from '../support/thrownBy.js';

const read = (text: string): unknown => readJson(Buffer.from(text));
const refusal = (body: Buffer): unknown => {
  const { statusCode, message } = thrownBy(() => readJson(body)) as { statusCode: number; message: string };
  return [statusCode, message];
};

describe('a body', () => {
  it('is JSON, and may be empty', () => {
    expect(read('{"a":[1,"ä",null]}')).toEqual({ a: [1, 'ä', null] });
    expect(read('')).toBeUndefined();
  });

  it('that is no JSON or no UTF-8 is refused', () => {
    expect(refusal(Buffer.from('{'))).toEqual([400, 'the body is no JSON']);
    expect(refusal(Buffer.from([0x22, 0xff, 0x22]))).toEqual([400, 'the body is no UTF-8']);
  });

  it('may be 64 levels deep and no deeper, whatever its size', () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(() => read(nested(64))).not.toThrow();
    expect(refusal(Buffer.from(nested(65)))).toEqual([400, 'the body has more than 64 levels']);
    expect(refusal(Buffer.from('{"a":'.repeat(200_000)))).toEqual([400, 'the body has more than 64 levels']);
  });

  it('has no levels in its texts, and any number side by side', () => {
    expect(read(JSON.stringify({ a: '[{'.repeat(1_000) + '\\"[' }))).toMatchObject({});
    expect(read(`[${'[],{},'.repeat(1_000)}1]`)).toHaveLength(2_001);
  });

  it('has no prototype, however that is written', () => {
    for (const key of ['__proto__', '\\u005f_proto__']) {
      const value = read(`{"a":{"${key}":{"b":1},"c":[{"${key}":1}]}}`) as { a: object };
      expect(JSON.stringify(value)).toBe('{"a":{"c":[{}]}}');
      expect('b' in value.a).toBe(false);
    }
  });
});
