import { openStage } from './apiStage.js';

const web = { name: 'web', image: 'any' };

describe('the routes of instances', () => {
  it('make an instance and tell of it as hypeman does', async () => {
    await using stage = await openStage();
    const created = await stage.ask('POST', '/instances', { ...web, tags: { team: 'red' }, env: { A: '1' } });
    expect([created.status, created.body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^[a-z0-9]{24}$/) as string,
        name: 'web',
        image: 'any',
        state: 'Running',
        created_at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        started_at: expect.any(String) as string,
        expires_at: null,
        env: { A: '1' },
        tags: { team: 'red' },
        driver: 'memory',
        hypervisor: 'memory',
        size: '0 B',
        hotplug_size: '0 B',
        overlay_size: '0 B',
        vcpus: 0,
        has_snapshot: false,
        health_status: { status: 'disabled', consecutive_successes: 0, consecutive_failures: 0 },
        revision: 1,
      },
    ]);
    const { id } = created.body;
    for (const name of ['web', String(id), String(id).slice(0, 1), String(id).slice(0, 9)])
      expect((await stage.ask('GET', `/instances/${name}`)).body).toEqual(created.body);
  });
});
