/**
 * Freezes a plain value and all that it holds, and returns it. What is frozen already counts as frozen to its depths,
 * so that a new instance around an old spec costs one level.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[key]);
  return value;
}
