import * as t from 'io-ts';

/** Decodes a list of `min` to `max` values; one that is too long is not looked through. `name` says what is expected. */
export function boundedList<Value, Output>(
  name: string,
  value: t.Type<Value, Output>,
  min: number,
  max: number,
): t.Type<readonly Value[], unknown> {
  const list = t.array(value, name);
  const fits = (given: unknown): boolean =>
    Array.isArray(given) && given.length >= min && given.length <= max;
  return new t.Type<readonly Value[], unknown>(
    name,
    (given): given is readonly Value[] => fits(given) && list.is(given),
    (given, context) => (fits(given) ? list.validate(given, context) : t.failure(given, context, name)),
    t.identity,
  );
}
