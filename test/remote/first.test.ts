import { firstValueFrom } from 'rxjs';
import { openRemoteStage } from './remoteStage.js';
it('works', async () => {
  await using both = await openRemoteStage();
  const { remote } = both;
  const events: string[] = [];
  remote.events('test').subscribe((e) => events.push(e.action));
  const web = await firstValueFrom(remote.create({ name: 'web', image: 'any' }));
  expect(events).toEqual(['create']);
  expect(web.state).toBe('Running');
  await firstValueFrom(remote.stop('web'));
  expect(await firstValueFrom(remote.list())).toHaveLength(1);
  await expect(firstValueFrom(remote.get('nobody'))).rejects.toMatchObject({ _tag: 'InstanceNotFound', idOrName: 'nobody' });
  expect(events).toEqual(['create', 'stop']);
  const t = await firstValueFrom(remote.watch('w'));
  expect(t.kind).toBe('snapshot');
});
