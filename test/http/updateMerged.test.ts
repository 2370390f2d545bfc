import { concatMap, firstValueFrom, map } from 'rxjs';
import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { updateMerged } from '../../src/http/updateMerged.js';

it('variables join those that somebody else has added since they were read', async () => {
  await using manager = await openManager({ drivers: [createMemoryDriver()] });
  await firstValueFrom(manager.create({ name: 'web', image: 'any', env: { A: '1' } }));
  let others = 0;
  const late = {
    update: manager.update,
    get: (idOrName: string) =>
      manager.get(idOrName).pipe(
        concatMap((view) => {
          others += 1;
          const env = { ...view.spec.env, [`OTHER_${String(others)}`]: '1' };
          return others > 2 ? [view] : manager.update('web', { env }).pipe(map(() => view));
        }),
      ),
  };
  const { spec } = await firstValueFrom(updateMerged(late, 'web', { env: { B: '2' } }, {}));
  expect(spec.env).toEqual({ A: '1', B: '2', OTHER_1: '1', OTHER_2: '1' });
});
