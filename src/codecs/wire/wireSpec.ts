import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import type { InstanceSpec, Json } from '../../lifecycle/instance.js';
import { isRecord } from '../closed.js';
import { commonFieldsAs } from '../commonFields.js';
import { json } from '../json.js';
import { record } from '../record.js';
import { secret } from '../secret.js';
import { driverFieldNames } from './driverFieldNames.js';
import { optional, required, wireObject, WireObjectType } from './wireObject.js';

/** A field of a driver stays as it is: what may stand there, only its driver knows. */
const verbatim = secret(json);

const renamed =
  (from: string, to: string) =>
  (value: Json): Json => {
    if (!isRecord(value) || !Object.hasOwn(value, from)) return value;
    const { [from]: moved, ...rest } = value as Readonly<Record<string, Json>>;
    return { ...rest, [to]: moved as Json };
  };

const readiness = new t.Type<Json, Json, unknown>(
  'a readiness',
  verbatim.is,
  (value, context) => pipe(verbatim.validate(value, context), E.map(renamed('timeout_ms', 'timeoutMs'))),
  renamed('timeoutMs', 'timeout_ms'),
);

const known = Object.entries(driverFieldNames).map(([field, called]) => {
  return [field, optional(called, field === 'readiness' ? readiness : verbatim)] as const;
});

const keys = {
  driver: required('driver', t.string),
  image: required('image', t.string),
  ...commonFieldsAs('wire'),
  ...Object.fromEntries(known),
  others: optional('driver_fields', secret(record('an object', t.string, json))),
} as const;

const values = wireObject('a spec', keys);
type Values = t.TypeOf<typeof values>;

const isOwn = (field: string): boolean => field !== 'others' && Object.hasOwn(keys, field);

const specOf = ({ others, ...own }: Values): InstanceSpec => ({ ...others, ...own });

/** The keys that are not among the values are passed over. */
const valuesOf = (spec: InstanceSpec): Values => {
  const others = Object.entries(spec).filter(([field]) => !isOwn(field));
  return others.length === 0 ? spec : { ...spec, others: Object.fromEntries(others) };
};

/**
 * The wire form of a spec. Fields of drivers that are none of this package's stand in `driver_fields`, by their own names: there they
 * can be taken for nothing else.
 */
export const wireSpec = new WireObjectType<InstanceSpec>(
  values.name,
  (value): value is InstanceSpec => isRecord(value) && values.is(valuesOf(value as unknown as InstanceSpec)),
  (value, context) => pipe(values.validate(value, context), E.map(specOf)),
  (encoded, spec) => values.encodeInto(encoded, valuesOf(spec)),
);
