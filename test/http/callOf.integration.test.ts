import { openStage, type Stage } from './apiStage.js';

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const other = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00';

describe('the trace of a request', () => {
  let stage: Stage;
  let told: (string | undefined)[];
  beforeEach(async () => {
    stage = await openStage();
    told = [];
    stage.manager.events('test').subscribe(({ cause }) => told.push(cause.traceparent));
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  it('is told by the events of the verb', async () => {
    const headers = { traceparent: trace };
    await stage.ask('POST', '/instances', { name: 'web', image: 'any' }, headers);
    await stage.ask('POST', '/instances/web/stop', undefined, headers);
    await stage.ask('POST', '/instances/web/snapshots', { kind: 'Stopped' }, headers);
    await stage.ask('DELETE', '/instances/web', undefined, headers);
    expect(told).toEqual([trace, trace, trace, trace]);
  });

  it('is that of a call, unless that says its own', async () => {
    const headers = { traceparent: trace };
    await stage.ask('POST', '/calls/create', { arguments: [{ name: 'web', image: 'any' }] }, headers);
    await stage.ask('POST', '/calls/stop', { arguments: ['web', { traceparent: other }] }, headers);
    expect(told).toEqual([trace, other]);
  });

  it('is passed over where it is none', async () => {
    await stage.ask('POST', '/instances', { name: 'web', image: 'any' }, { traceparent: '00-0-0-0' });
    await stage.ask('POST', '/calls/stop', { arguments: ['web'] }, { traceparent: trace.toUpperCase() });
    expect(told.map(String)).toEqual(['undefined', 'undefined']);
  });
});
