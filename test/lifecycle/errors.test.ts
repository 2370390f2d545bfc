import * as errors from '../../src/lifecycle/errors.js';

const fault = { path: 'name', found: "'A'", expected: 'a name' };
const cause = new Error('no such file');

/** Every error with its text and the data it carries. */
const all = [
  [new errors.InvalidRequest({ faults: [fault] }), "name: found 'A', expected a name", { faults: [fault] }],
  [new errors.InstanceNotFound({ idOrName: 'web' }), 'there is no instance "web"', { idOrName: 'web' }],
  [
    new errors.AmbiguousName({ idOrName: 'a', matches: ['ab', 'ac'] }),
    '"a" stands for several instances: ab, ac',
    { idOrName: 'a', matches: ['ab', 'ac'] },
  ],
  [new errors.NameTaken({ taken: 'web' }), 'the name "web" is taken', { taken: 'web' }],
  [
    new errors.Conflict({ instanceId: 'i1', revision: 5, expectedRevision: 3 }),
    'instance i1 has revision 5, expected was 3',
    { instanceId: 'i1', revision: 5, expectedRevision: 3 },
  ],
  [
    new errors.InvalidState({
      instanceId: 'i1',
      state: 'Stopped',
      verb: 'standby',
      remedy: 'it has to be Running',
    }),
    'cannot standby instance i1 while it is Stopped: it has to be Running',
    { instanceId: 'i1', state: 'Stopped', verb: 'standby', remedy: 'it has to be Running' },
  ],
  [
    new errors.NotSupported({ driver: 'process', verb: 'fork', reason: 'its machines cannot be halted' }),
    'the driver "process" cannot fork: its machines cannot be halted',
    { driver: 'process', verb: 'fork', reason: 'its machines cannot be halted' },
  ],
  [
    new errors.LaunchFailed({ reason: 'no such file' }, { cause }),
    'no such file',
    { reason: 'no such file', cause },
  ],
  [
    new errors.FileFailed({ verb: 'read', path: 'a/b', code: 'ENOENT' }),
    'cannot read "a/b": it is not there, or what it is to lie in is not',
    { verb: 'read', path: 'a/b', code: 'ENOENT' },
  ],
  [
    new errors.ExecFailed({ reason: 'no such program', code: 127 }, { cause }),
    'no such program',
    { reason: 'no such program', code: 127, cause },
  ],
  [
    new errors.DriverFailed({ instanceId: 'i1', verb: 'stop' }, { cause }),
    'cannot stop instance i1: no such file',
    { instanceId: 'i1', verb: 'stop', cause },
  ],
  [
    new errors.LogNotFound({ source: 'boot', sources: ['app', 'vmm'] }),
    'there is no log "boot"; there is app, vmm',
    { source: 'boot', sources: ['app', 'vmm'] },
  ],
  [
    new errors.ApiFailed({ reason: 'it answered 502', status: 502 }),
    'the API failed: it answered 502',
    { reason: 'it answered 502', status: 502 },
  ],
  [
    new errors.LogUnreadable({ path: '/home/logs/app.log', found: 'a link' }),
    'the log /home/logs/app.log is not read: it is a link',
    { path: '/home/logs/app.log', found: 'a link' },
  ],
  [
    new errors.SubscriberLagged({ capacity: 256, missed: 3 }),
    'the subscriber fell behind by more than 256 values and lost 3',
    { capacity: 256, missed: 3 },
  ],
  [
    new errors.StoreFailed({ reason: 'cannot write: no such file' }, { cause }),
    'the store failed: cannot write: no such file',
    { reason: 'cannot write: no such file', cause },
  ],
  [
    new errors.DataDirLocked({ dataDir: '/data', holder: { pid: 7, host: 'here', since: 0 } }),
    'the data directory /data is held by process 7 on here since 1970-01-01T00:00:00.000Z',
    { dataDir: '/data', holder: { pid: 7, host: 'here', since: 0 } },
  ],
  [
    new errors.ConsumerTaken({ consumer: 'billing' }),
    '"billing" consumes durably already',
    { consumer: 'billing' },
  ],
  [
    new errors.CursorExpired({ cursor: { epoch: 'e', sequence: 3 }, oldest: 9, epoch: 'e' }),
    'the log e begins with event 9 and cannot go on after event 3 of e',
    { cursor: { epoch: 'e', sequence: 3 }, oldest: 9, epoch: 'e' },
  ],
  [new errors.WebhookNotFound({ webhookId: 'w1' }), 'there is no webhook "w1"', { webhookId: 'w1' }],
  [new errors.SnapshotNotFound({ snapshotId: 's1' }), 'there is no snapshot "s1"', { snapshotId: 's1' }],
  [
    new errors.SnapshotIncompatible({
      differences: [{ path: 'qemu', found: "'9.0.0'", expected: "'7.2.22'" }],
    }),
    "the memory cannot be gone on from: qemu: found '9.0.0', expected '7.2.22'",
    { differences: [{ path: 'qemu', found: "'9.0.0'", expected: "'7.2.22'" }] },
  ],
  [
    new errors.SnapshotDamaged({
      snapshotId: 's1',
      differences: [{ path: 'work/a', found: 'nothing', expected: 'a file' }],
    }),
    'the snapshot s1 is damaged: work/a: found nothing, expected a file',
    { snapshotId: 's1', differences: [{ path: 'work/a', found: 'nothing', expected: 'a file' }] },
  ],
  [new errors.ManagerClosed(), 'the manager is closed', {}],
  [
    new errors.StateUnreadable({ instanceId: 'i1' }, { cause }),
    'the state of instance i1 could not be read',
    { instanceId: 'i1', cause },
  ],
  [
    new errors.TooManyConsumers({ consumer: 'mine', limit: 64 }),
    '"mine" would be consumer name 65; a manager knows at most 64',
    { consumer: 'mine', limit: 64 },
  ],
] as const;

test.each(all)('%s', (error, message, data) => {
  expect(error.message).toBe(message);
  expect(error).toMatchObject(data);
});

test('every error is an Error whose class, name and tag are one word', () => {
  expect(Object.keys(errors.errorClasses).toSorted()).toEqual(all.map(([{ _tag }]) => _tag).toSorted());
  for (const [error] of all) {
    expect(error).toBeInstanceOf(Error);
    expect(error.constructor.name).toBe(error._tag);
    expect(error.name).toBe(error._tag);
    expect(String(error)).toBe(`${error._tag}: ${error.message}`);
  }
});

test('every error is told as ours, and others are not, whatever they say of themselves', () => {
  for (const [error] of all) {
    expect(errors.isInstanceError(error)).toBe(true);
    expect(errors.isInstanceError({ _tag: error._tag })).toBe(true);
  }
  for (const other of [new Error(), { _tag: 'toString' }, { _tag: 1 }, { _tag: 'Some' }, null, 'Conflict']) {
    expect(errors.isInstanceError(other)).toBe(false);
  }
});

test('JSON of an error has its tag, its message and its fields', () => {
  for (const [error, message, { cause: _, ...data }] of all.map(
    ([e, m, d]) => [e, m, { cause, ...d }] as const,
  )) {
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ _tag: error._tag, message, ...data });
  }
});

test('JSON of an error has what its cause says, and none where there is none', () => {
  const json = (error: Error): unknown => JSON.parse(JSON.stringify(error));
  const inner = new errors.StoreFailed({ reason: 'full' }, { cause: new Error('no space') });
  expect(json(new errors.DriverFailed({ instanceId: 'i1', verb: 'stop' }, { cause: inner }))).toEqual({
    _tag: 'DriverFailed',
    message: 'cannot stop instance i1: the store failed: full',
    instanceId: 'i1',
    verb: 'stop',
    cause: { _tag: 'StoreFailed', message: 'the store failed: full', reason: 'full', cause: 'no space' },
  });
  expect(json(new errors.ManagerClosed())).toEqual({
    _tag: 'ManagerClosed',
    message: 'the manager is closed',
  });
});

test('errors without a cause have none', () => {
  expect('cause' in new errors.LaunchFailed({ reason: 'it is late' })).toBe(false);
  expect('cause' in new errors.StateUnreadable({ instanceId: 'i1' })).toBe(false);
});

test('an invalid request names every fault in one line', () => {
  const error = new errors.InvalidRequest({
    faults: [fault, { path: '', found: 'nothing', expected: 'an object' }],
  });
  expect(error.message).toBe("name: found 'A', expected a name; found nothing, expected an object");
});

test('of many differences the first ten are written out', () => {
  const differences = Array.from({ length: 13 }, (_, index) => ({ ...fault, path: `work/${String(index)}` }));
  const { message } = new errors.SnapshotDamaged({ snapshotId: 's1', differences });
  expect(message).toContain('work/9: ');
  expect(message).toMatch(/[^\d]9: [^;]+; 3 more differences$/);
});

test('a holder that does not answer is not named', () => {
  const error = new errors.DataDirLocked({ dataDir: '/data' });
  expect(error.message).toBe('the data directory /data is held by a process that does not answer');
});

test('a data directory whose holder says what cannot be says so in a short text', () => {
  const holder = { pid: NaN, host: 'h\n'.repeat(2 ** 20), since: 1e300 };
  const { message } = new errors.DataDirLocked({ dataDir: '/data', holder });
  expect(message).toMatch(/^the data directory \/data is held by process NaN on (h\?){100}.* since no time$/);
  expect(message.length).toBeLessThan(400);
});

test('a driver without logs says that there is none', () => {
  expect(new errors.LogNotFound({ source: 'app', sources: [] }).message).toBe(
    'there is no log "app"; there is none',
  );
});

test.each([
  [{ message: 'from another realm' }, 'from another realm'],
  ['a text', 'a text'],
  [undefined, 'undefined'],
  [null, 'null'],
  [Symbol('s'), 'Symbol(s)'],
  [Object.create(null), '[object Object]'],
])('a driver may fail with whatever it likes: %p', (reason: unknown, text) => {
  const error = new errors.DriverFailed({ instanceId: 'i1', verb: 'kill' }, { cause: reason });
  expect(error.message).toBe(`cannot kill instance i1: ${text}`);
  expect(error.cause).toBe(reason);
});

test('a failure of a file that has no words of its own is told by its code', () => {
  expect(new errors.FileFailed({ verb: 'write', path: 'a', code: 'EIO' }).message).toBe(
    'cannot write "a": EIO',
  );
});
