import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Registry } from 'prom-client';
import { wireCalls } from '../../src/codecs/wire/wireCalls.js';
import { readEvents } from './events/readEvents.js';
import { openTalk } from './exec/talk.js';
import { openStage, type Stage } from './apiStage.js';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, object>>;
  readonly security?: readonly object[];
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const documentOf = async (stage: Stage): Promise<Document> =>
  (await stage.ask('GET', '/openapi.json')).body as unknown as Document;

/** What the validator says, which is made for ES modules and for the command line. */
function verdictOn(document: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'openapi-'));
  const file = join(folder, 'document.json');
  writeFileSync(file, JSON.stringify(document));
  const program = 'node_modules/@seriousme/openapi-schema-validator/bin/validate-api-cli.js';
  try {
    return execFileSync(process.execPath, [program, file], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the document', () => {
  it('is valid OpenAPI 3.1', async () => {
    for (const options of [
      { withWebhooks: true },
      { secret: 'a secret that nobody can guess, 42', prefix: '/v1' },
    ]) {
      await using stage = await openStage(options);
      const { body } = await stage.ask('GET', `${options.prefix ?? ''}/openapi.json`);
      expect(verdictOn(body)).toContain('"valid": true');
      expect(body['openapi']).toBe('3.1.0');
    }
  });

  it('tells of every route, and of no other', async () => {
    await using stage = await openStage({ metrics: new Registry(), withWebhooks: true });
    const { paths } = await documentOf(stage);
    const told = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(told.sort()).toEqual(
      [
        ...['GET /capabilities', 'GET /consumers', 'GET /health', 'GET /metrics', 'GET /openapi.json'],
        ...[
          'GET /events',
          'GET /instances',
          'POST /instances',
          'GET /instances/{id}',
          'PATCH /instances/{id}',
          'DELETE /instances/{id}',
        ],
        ...['start', 'stop', 'standby', 'restore', 'fork', 'snapshots'].map(
          (verb) => `POST /instances/{id}/${verb}`,
        ),
        ...['wait', 'logs', 'events', 'exec', 'cp', 'stat', 'stats'].map(
          (verb) => `GET /instances/{id}/${verb}`,
        ),
        ...['GET /instances/{id}/auto-standby/status', 'POST /instances/{id}/auto-standby/hold'],
        ...['GET', 'PUT', 'DELETE'].map((method) => `${method} /instances/{id}/snapshot-schedule`),
        ...['POST', 'DELETE'].map((method) => `${method} /instances/{id}/volumes/{volumeId}`),
        'POST /instances/{id}/snapshots/{snapshotId}/restore',
        ...['GET /snapshots', 'GET /snapshots/{snapshotId}', 'DELETE /snapshots/{snapshotId}'],
        'POST /snapshots/{snapshotId}/fork',
        ...Object.keys(wireCalls).map((verb) => `POST /calls/${verb}`),
        'GET /calls/exec',
        ...['GET /webhooks', 'POST /webhooks', 'GET /webhooks/{id}', 'DELETE /webhooks/{id}'],
        ...['rotate', 'enable'].map((verb) => `POST /webhooks/{id}/${verb}`),
      ].sort(),
    );
    for (const [path, operations] of Object.entries(paths))
      for (const method of Object.keys(operations)) {
        const query = path === '/events' ? '?after=none' : '';
        const { status, body } = await stage.ask(
          method.toUpperCase(),
          `${path.replace(/\{\w+\}/g, 'none')}${query}`,
        );
        expect([method, path, status === 404 && body['code'] === 'Not Found']).toEqual([method, path, false]);
      }
  });

  it('names each operation once', async () => {
    await using stage = await openStage();
    const { paths } = await documentOf(stage);
    const names = Object.values(paths).flatMap((operations) =>
      Object.values(operations).map(({ operationId }) => operationId),
    );
    expect(new Set(names).size).toBe(names.length);
  });

  it('says which routes take no token', async () => {
    await using stage = await openStage({ secret: 'a secret that nobody can guess, 42' });
    const { paths } = await documentOf(stage);
    for (const [path, operations] of Object.entries(paths))
      for (const [method, { security }] of Object.entries(operations)) {
        const { status } = await stage.ask(method.toUpperCase(), path.replace(/\{\w+\}/g, 'none'));
        expect([method, path, status === 401]).toEqual([method, path, security === undefined]);
      }
  });
});

/** Asks, and holds each answer to what the document says of it. */
async function heldToDocument(stage: Stage) {
  const document = await documentOf(stage);
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', ...document });
  const seen = new Set<string>();

  const ask = async (
    method: string,
    template: string,
    ids: readonly string[],
    query = '',
    body?: unknown,
  ) => {
    const path = ids.reduce((rest, id) => rest.replace(/\{\w+\}/, id), template);
    const answer = await stage.ask(method, `${path}${query}`, body);
    const status = String(answer.status);
    const { responses = {} } = document.paths[template]?.[method.toLowerCase()] ?? {};
    const key = status in responses ? status : `${status.slice(0, 1)}XX`;
    seen.add(`${method} ${template} ${key}`);
    expect([method, template, Object.keys(responses)]).toEqual([
      method,
      template,
      expect.arrayContaining([key]),
    ]);
    const pointer = [
      'paths',
      template,
      method.toLowerCase(),
      'responses',
      key,
      'content',
      'application/json',
      'schema',
    ];
    const place = pointer
      .map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'))
      .map(encodeURIComponent);
    if (
      answer.status !== 204 &&
      answer.headers.get('content-type')?.startsWith('application/json') === true
    ) {
      const isHeld = ajv.validate({ $ref: `document#/${place.join('/')}` }, answer.body);
      expect([method, template, status, isHeld, ajv.errors]).toEqual([method, template, status, true, null]);
    }
    return answer;
  };
  return { ask, seen, document };
}

it('every answer is what the document says', async () => {
  await using stage = await openStage({
    memory: { standbyFrees: 'memory' },
    metrics: new Registry(),
    withWebhooks: true,
  });
  const { ask, seen, document } = await heldToDocument(stage);
  const one = '/instances/{id}';
  const asked = {
    name: 'web',
    image: 'any',
    env: { A: '1' },
    tags: { a: 'b' },
    ttl: '1h',
    ports: [{ guest: 80 }],
  };
  const policies = {
    auto_standby: { enabled: true, idle_timeout: '1h' },
    restart_policy: { policy: 'always', max_backoff: '1h' },
    health_check: { type: 'tcp', tcp: { port: 80 }, interval: '1h' },
  };
  await ask('POST', '/instances', [], '', { ...asked, ...policies });
  await ask('GET', '/instances', []);
  await ask('GET', one, ['web']);
  await ask('PATCH', one, ['web'], '', { tags: { c: 'd' }, ttl: '0s' });
  await ask('GET', `${one}/wait`, ['web'], '?state=Running');
  await ask('GET', `${one}/logs`, ['web']);
  for (const path of ['/events', `${one}/events`]) {
    const reader = await readEvents(`${stage.address}${path.replace('{id}', 'web')}`);
    seen.add(`GET ${path} ${String(reader.status)}`);
    await reader.leave();
  }
  for (const [path, protocols] of [
    [`${one}/exec`, []],
    ['/calls/exec', ['rx-instances.exec.v1']],
  ] as const) {
    const { socket, closed } = await openTalk(stage.address, path.replace('{id}', 'web'), { protocols });
    seen.add(`GET ${path} 101`);
    socket.close();
    await closed;
  }
  await ask('GET', `${one}/auto-standby/status`, ['web']);
  await ask('POST', `${one}/auto-standby/hold`, ['web']);
  await ask('POST', `${one}/standby`, ['web'], '', {});
  const { body: kept } = await ask('POST', `${one}/snapshots`, ['web'], '', {
    kind: 'Standby',
    name: 'kept',
    tags: { a: 'b' },
  });
  const id = String(kept['id']);
  await ask('GET', '/snapshots', []);
  await ask('GET', '/snapshots/{snapshotId}', [id]);
  await ask('POST', '/snapshots/{snapshotId}/fork', [id], '', { name: 'copy', target_hypervisor: 'memory' });
  await ask('POST', `${one}/snapshots/{snapshotId}/restore`, ['web', id], '', { target_state: 'Standby' });
  await ask('POST', `${one}/restore`, ['web']);
  await ask('POST', `${one}/stop`, ['web']);
  await ask('GET', one, ['web']);
  await ask('POST', `${one}/start`, ['web'], '', {});
  await ask('POST', `${one}/fork`, ['web'], '', { name: 'second', from_running: true });
  await ask('DELETE', '/snapshots/{snapshotId}', [id]);
  for (const name of ['web', 'copy', 'second']) await ask('DELETE', one, [name]);
  const hook = '/webhooks/{id}';
  const url = 'https://example.org/';
  await ask('POST', '/webhooks', [], '', { id: 'hook', url, filter: { action: 'stop', name: 'web' } });
  await ask('GET', '/webhooks', []);
  await ask('GET', hook, ['hook']);
  await ask('POST', `${hook}/rotate`, ['hook'], '', { keep: '1h' });
  await ask('POST', `${hook}/enable`, ['hook']);
  await ask('DELETE', hook, ['hook']);
  for (const path of ['/health', '/capabilities', '/consumers', '/metrics', '/openapi.json'])
    await ask('GET', path, []);
  await callAll(stage, ask);
  // What goes wrong everywhere, and what is not served.
  for (const [template, operations] of Object.entries(document.paths))
    for (const method of Object.keys(operations))
      if (template.includes('{') || template.startsWith('/calls/'))
        await ask(
          method.toUpperCase(),
          template,
          ['none', 'none'],
          '',
          method === 'get' ? undefined : '{"unknown":1}',
        );

  const told = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses }]) =>
      Object.keys(responses)
        .filter((status) => /^\d+$/.test(status))
        .map((status) => `${method.toUpperCase()} ${path} ${status}`),
    ),
  );
  expect(told.filter((answer) => !seen.has(answer))).toEqual([]);
});

/** Calls every verb, so that it does what it is for. */
async function callAll(stage: Stage, ask: Awaited<ReturnType<typeof heldToDocument>>['ask']): Promise<void> {
  const call = async (verb: keyof typeof wireCalls, ...given: readonly unknown[]) => {
    const answer = await ask('POST', `/calls/${verb}`, [], '', { arguments: given });
    expect({ verb, status: answer.status, text: answer.text }).toMatchObject({ verb, status: 200 });
    return answer.body['value'] as Readonly<Record<string, unknown>>;
  };
  const one = 'called';
  const autoStandby = { enabled: true, idleTimeoutMs: 3_600_000 };
  await call('create', { name: one, image: 'any', ports: [{ guest: 80 }], autoStandby });
  await call('ensure', { name: one, image: 'any', ports: [{ guest: 80 }], autoStandby });
  await call('endpoint', one, 80);
  for (const verb of ['get', 'status', 'refresh', 'hold', 'stop', 'start', 'restart', 'standby'] as const)
    await call(verb, one);
  const { id } = await call('createSnapshot', one, { kind: 'Standby' });
  await call('getSnapshot', id);
  await call('restoreSnapshot', one, id, {});
  await call('stop', one);
  await call('start', one, {});
  await call('standby', one);
  await call('restore', one);
  await call('forkSnapshot', id, { name: 'second' });
  await call('deleteSnapshot', id);
  await call('fork', one, { name: 'third', fromRunning: true });
  await call('update', one, { tags: { a: 'b' } });
  await call('list', {});
  await call('listSnapshots', {});
  await call('logs', one, { tail: 1 });
  await call('signal', one, 'SIGTERM');
  const run = call('run', { name: 'job', image: 'any' });
  const job = await firstValueFrom(stage.manager.waitForState('job', 'Running', { mayBeAbsent: true }));
  stage.driver.machine(job.instance.id).exit({ code: 0, signal: null });
  await run;
  for (const name of [one, 'second', 'third']) await call('delete', name);
}

it('a body of another driver than that of a snapshot is refused by name', async () => {
  await using stage = await openStage();
  await stage.ask('POST', '/instances', { name: 'web', image: 'any' });
  await stage.ask('POST', '/instances/web/stop');
  const { body } = await stage.ask('POST', '/instances/web/snapshots', { kind: 'Stopped' });
  const path = `/snapshots/${String(body['id'])}/fork`;
  const answer = await stage.ask('POST', path, { name: 'copy', target_hypervisor: 'qemu' });
  expect([answer.status, answer.body['message']]).toEqual([
    400,
    "target_hypervisor: found 'qemu', expected memory",
  ]);
});
