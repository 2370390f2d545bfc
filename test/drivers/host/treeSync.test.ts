import { createTreeSync } from '../../../src/drivers/host/treeSync.js';

/** Does not flush, but notes what was asked for. */
function noted(fails: (path: string) => boolean = () => false) {
  const paths: string[] = [];
  const sync = (path: string): Promise<void> => {
    paths.push(path);
    return fails(path) ? Promise.reject(new Error(`${path} failed`)) : Promise.resolve();
  };
  return { paths, sync };
}

/** How many of so many entries are flushed by themselves. */
async function byThemselves(
  count: number,
  { sync, platform = 'linux' }: { sync: (path: string) => Promise<void>; platform?: NodeJS.Platform },
): Promise<number> {
  const tree = createTreeSync('/tree', platform, sync);
  let found = 0;
  for (let entry = 0; entry < count; entry += 1) if (await tree.isByItself()) found += 1;
  await tree.end();
  return found;
}

it('flushes each of few entries by itself', async () => {
  const { paths, sync } = noted();
  expect(await byThemselves(512, { sync })).toBe(512);
  expect(paths).toEqual([]);
});

it('flushes the rest of many at once, at the end', async () => {
  const { paths, sync } = noted();
  expect(await byThemselves(2_000, { sync })).toBe(512);
  expect(paths).toEqual(['/proc', '/tree']);
});

it('asks only once whether that can be done', async () => {
  const { paths, sync } = noted();
  for (const count of [600, 600]) await byThemselves(count, { sync });
  expect(paths).toEqual(['/proc', '/tree', '/tree']);
});

it('flushes each by itself where nothing can flush all', async () => {
  const { paths, sync } = noted((path) => path === '/proc');
  expect(await byThemselves(2_000, { sync })).toBe(2_000);
  expect(paths).toEqual(['/proc']);
});

it('flushes each by itself elsewhere than on Linux, where the program flushes nothing for sure', async () => {
  const { paths, sync } = noted();
  expect(await byThemselves(2_000, { sync, platform: 'darwin' })).toBe(2_000);
  expect(paths).toEqual([]);
});

it('fails when the flush does', async () => {
  const { sync } = noted((path) => path === '/tree');
  await expect(byThemselves(2_000, { sync })).rejects.toThrow('/tree failed');
});
