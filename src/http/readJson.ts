import { Refusal } from './refusal.js';

/** Deeper than any request is: what looks at one calls itself at each level. */
const mostLevels = 64;

/**
 * Reads the body of a request: `undefined` where it is empty, which hypeman's client sends as JSON too. What could be taken for a prototype is left out.
 *
 * @throws {@link Refusal} for what is no JSON in UTF-8, and for what lies too deep
 */
export function readJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  const text = decoded(body);
  if (isDeeperThan(mostLevels, text))
    throw new Refusal(400, 'Bad Request', `the body has more than ${String(mostLevels)} levels`);
  try {
    const value: unknown = JSON.parse(text);
    return text.includes('__proto__') || text.includes('\\u') ? withoutPrototypes(value) : value;
  } catch {
    throw new Refusal(400, 'Bad Request', 'the body is no JSON');
  }
}

function decoded(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new Refusal(400, 'Bad Request', 'the body is no UTF-8');
  }
}

/** Counts brackets outside of texts, and calls nothing for each. */
function isDeeperThan(most: number, text: string): boolean {
  let levels = 0;
  let isInText = false;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (isInText) {
      if (unit === backslash) index += 1;
      else if (unit === quote) isInText = false;
    } else if (unit === quote) isInText = true;
    else if (unit === openBrace || unit === openBracket) {
      levels += 1;
      if (levels > most) return true;
    } else if (unit === closeBrace || unit === closeBracket) levels -= 1;
  }
  return false;
}

const [quote, backslash] = [0x22, 0x5c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== '__proto__');
  return Object.fromEntries(kept.map(([key, part]) => [key, withoutPrototypes(part)]));
}
