import type * as Api from '@opentelemetry/api';
import { Observable } from 'rxjs';
import { isRecord } from '../codecs/closed.js';
import type { Instances } from '../instances/instances.js';
import { causes } from '../lifecycle/cause.js';
import type { Instance } from '../lifecycle/instance.js';
import { messageOf } from '../lifecycle/messageOf.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { traceparent } from '../codecs/traceparent.js';
import { placeOfOptions } from './placeOfOptions.js';
import { tagOf } from './turns.js';

/** The verbs of instances, with a span for each that changes something. */
export type WithSpans = (instances: Instances) => Instances;

type Verb = (...given: readonly unknown[]) => Observable<unknown>;
type Emitted = Instance | Snapshot | { readonly instance: Instance };

/** What only reads has none. */
const placed: Partial<Record<keyof Instances, number>> = {
  ...placeOfOptions,
  ...{ signal: Infinity, refresh: Infinity, hold: Infinity },
};

let loading: Promise<WithSpans> | undefined;

/** Loads the API of OpenTelemetry, once; without it verbs stay as they are. An SDK may be registered later too. */
export const loadWithSpans = (): Promise<WithSpans> =>
  (loading ??= import('@opentelemetry/api').then(createWithSpans).catch(() => (instances) => instances));

const createWithSpans =
  (api: typeof Api): WithSpans =>
  (instances) => {
    const tracer = api.trace.getTracer('rx-instances');
    const verbs = Object.entries(placed).map(([name, place]) => {
      const verb = instances[name as keyof Instances] as Verb;
      return [name, traced(api, tracer, { name, place, verb })] as const;
    });
    return { ...instances, ...(Object.fromEntries(verbs) as Partial<Instances>) };
  };

interface Traced {
  readonly name: string;
  readonly place: number;
  readonly verb: Verb;
}

/** A span from subscribe to the outcome, or to an unsubscribe, in the context in which the verb was called: an Observable is often subscribed elsewhere. */
const traced =
  (api: typeof Api, tracer: Api.Tracer, { name, place, verb }: Traced): Verb =>
  (...given) => {
    const caller = api.context.active();
    const options = isRecord(given[place]) ? given[place] : {};
    const outcome$ = verb(...given);
    return new Observable((subscriber) => {
      const span = tracer.startSpan(`instance.${name}`, {}, parentIn(api, caller, options['traceparent']));
      // Nobody traces.
      if (!api.isSpanContextValid(span.spanContext())) return outcome$.subscribe(subscriber);
      if (span.isRecording()) span.setAttributes(askedBy(name, given, options));
      const inCallers = (tell: () => void): void => {
        api.context.with(caller, tell);
      };
      let isTold = false;
      const working = api.context.with(api.trace.setSpan(caller, span), () =>
        outcome$.subscribe({
          next: (value) => {
            isTold = true;
            if (span.isRecording()) span.setAttributes(cameOf(value as Emitted));
            inCallers(() => {
              subscriber.next(value);
            });
          },
          error: (error: unknown) => {
            isTold = true;
            span.setAttribute('error.type', tagOf(error));
            span.setStatus({ code: api.SpanStatusCode.ERROR, message: messageOf(error) });
            inCallers(() => {
              subscriber.error(error);
            });
          },
          complete: () => {
            inCallers(() => {
              subscriber.complete();
            });
          },
        }),
      );
      return () => {
        working.unsubscribe();
        if (!isTold) span.setAttribute('rx_instances.abandoned', true);
        span.end();
      };
    });
  };

/** The trace that the call names, or that of who called it. */
function parentIn(api: typeof Api, caller: Api.Context, named: unknown): Api.Context {
  if (!traceparent.is(named)) return caller;
  const [, traceId = '', spanId = '', flags = ''] = named.split('-');
  return api.trace.setSpanContext(caller, {
    ...{ traceId, spanId, isRemote: true },
    traceFlags: Number.parseInt(flags, 16),
  });
}

function askedBy(
  verb: string,
  [on]: readonly unknown[],
  { by = causes.caller.by }: Readonly<Record<string, unknown>>,
): Api.Attributes {
  const target = isRecord(on) ? on['name'] : on;
  return {
    ...{ 'rx_instances.verb': verb, 'rx_instances.by': String(by) },
    ...(typeof target === 'string' && { 'rx_instances.target': target }),
  };
}

function cameOf(value: Emitted): Api.Attributes {
  if ('instanceId' in value) {
    return { 'rx_instances.instance.id': value.instanceId, 'rx_instances.snapshot.id': value.id };
  }
  const { id, name, spec } = 'instance' in value ? value.instance : value;
  return {
    ...{ 'rx_instances.instance.id': id, 'rx_instances.instance.name': name },
    'rx_instances.driver': spec.driver,
  };
}
