import { context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { concatMap, delay, firstValueFrom, mergeMap, type Observable, of, Subject } from 'rxjs';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const exporter = new InMemorySpanExporter();
let driver: MemoryDriver;
let manager: InstanceManager;
let gate$: Observable<unknown> | undefined;
/** The span in whose context the driver launched, for each launch. */
let launchedIn: (string | undefined)[];

const registered = (): BasicTracerProvider => {
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return provider;
};

beforeEach(async () => {
  exporter.reset();
  gate$ = undefined;
  launchedIn = [];
  driver = createMemoryDriver();
  manager = await openManager({
    drivers: [
      {
        ...driver,
        launch: (plan) => {
          launchedIn.push(trace.getActiveSpan()?.spanContext().spanId);
          return (gate$ ?? of(1)).pipe(mergeMap(() => driver.launch(plan)));
        },
      },
    ],
  });
});
afterEach(async () => {
  await manager.close({ stopInstances: true });
  trace.disable();
  context.disable();
});

const spans = (): readonly ReadableSpan[] => exporter.getFinishedSpans();
const idOf = (span: { spanContext(): { readonly spanId: string } } | undefined): string | undefined =>
  span?.spanContext().spanId;
const within = <T>(name: string, work: (span: Span) => Promise<T>): Promise<T> =>
  trace.getTracer('test').startActiveSpan(name, (span) =>
    work(span).finally(() => {
      span.end();
    }),
  );

const web = { name: 'web', image: 'any' };

describe('a span of a verb', () => {
  beforeEach(() => {
    registered();
  });

  it('tells what was asked for, by whom, and of which instance', async () => {
    const { id } = await value(manager.create(web, { by: 'deployer' }));
    expect(spans()).toMatchObject([
      {
        name: 'instance.create',
        status: { code: SpanStatusCode.UNSET },
        instrumentationScope: { name: 'rx-instances' },
        attributes: {
          'rx_instances.verb': 'create',
          'rx_instances.by': 'deployer',
          'rx_instances.target': 'web',
          'rx_instances.instance.id': id,
          'rx_instances.instance.name': 'web',
          'rx_instances.driver': 'memory',
        },
      },
    ]);
  });

  it('is a child of the span in which the verb was called, also where it is subscribed to elsewhere', async () => {
    let create$: Observable<unknown> | undefined;
    await within('caller', () => {
      create$ = manager.create(web);
      return Promise.resolve();
    });
    await value(create$ as Observable<unknown>);
    const [caller, create] = spans();
    expect(create?.name).toBe('instance.create');
    expect(create?.parentSpanContext?.spanId).toBe(idOf(caller));
  });

  it('is a child of the trace that the call names', async () => {
    const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    await within('caller', () => value(manager.create(web, { traceparent: `00-${traceId}-${spanId}-01` })));
    const [create] = spans();
    expect(create?.spanContext().traceId).toBe(traceId);
    expect(create?.parentSpanContext).toMatchObject({ spanId, isRemote: true });
  });

  it('tells the tag of an error, and its message', async () => {
    await value(manager.stop('db')).catch(() => undefined);
    expect(spans()).toMatchObject([
      {
        name: 'instance.stop',
        status: { code: SpanStatusCode.ERROR, message: 'there is no instance "db"' },
        attributes: { 'error.type': 'InstanceNotFound', 'rx_instances.target': 'db' },
      },
    ]);
  });

  it('ends with who unsubscribes, and says so', () => {
    const open$ = new Subject<void>();
    gate$ = open$;
    manager.create(web).subscribe().unsubscribe();
    expect(spans()).toMatchObject([{ attributes: { 'rx_instances.abandoned': true } }]);
    expect(spans()[0]?.ended).toBe(true);
    open$.next();
  });

  it('is that of its own verb where the driver works for one that waited in the queue of another', async () => {
    await value(manager.create(web));
    await value(manager.stop('web'));
    const open$ = new Subject<void>();
    gate$ = open$;
    const first = within('first', () => value(manager.restart('web')));
    const second = within('second', () => value(manager.restart('web')));
    gate$ = of(1).pipe(delay(1));
    open$.next();
    await Promise.all([first, second]);
    const restarts = spans().filter(({ name }) => name === 'instance.restart');
    expect(launchedIn.slice(1)).toEqual(restarts.map(idOf));
  });

  it('is no parent of what is composed behind it', async () => {
    await within('caller', () => value(manager.create(web).pipe(concatMap(() => manager.stop('web')))));
    const byName = new Map(spans().map((span) => [span.name, span]));
    expect(byName.get('instance.stop')?.parentSpanContext?.spanId).toBe(idOf(byName.get('caller')));
  });

  it('is there for verbs, signals and snapshots, and for nothing that only reads', async () => {
    await value(manager.create(web));
    await value(manager.signal('web', 'SIGHUP'));
    await value(manager.get('web'));
    await value(manager.list());
    await value(manager.stop('web'));
    const { id } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    expect(spans().map(({ name }) => name)).toEqual([
      ...['instance.create', 'instance.signal', 'instance.stop', 'instance.createSnapshot'],
    ]);
    expect(spans().at(-1)?.attributes).toMatchObject({ 'rx_instances.snapshot.id': id });
  });
});

it('without an SDK verbs do what they do, and nothing is traced', async () => {
  await expect(value(manager.create(web))).resolves.toMatchObject({ state: 'Running' });
  expect(spans()).toEqual([]);
  expect(launchedIn).toEqual([undefined]);
});

it('an SDK that is registered once the manager is open traces from then on', async () => {
  await value(manager.create(web));
  registered();
  await value(manager.stop('web'));
  expect(spans().map(({ name }) => name)).toEqual(['instance.stop']);
});
