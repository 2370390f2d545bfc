import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemorySecrets } from '../../src/store/memorySecrets.js';
import { createSecretFiles } from '../../src/store/secretFiles.js';
import type { SecretStore } from '../../src/store/secretStore.js';

const [first, second] = ['a'.repeat(24), 'b'.repeat(24)] as const;
const folders: string[] = [];
const newFolder = (): string => {
  const parent = mkdtempSync(join(tmpdir(), 'secrets-'));
  folders.push(parent);
  return join(parent, 'secrets');
};
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

describe.each<[string, () => SecretStore]>([
  ['in memory', createMemorySecrets],
  ['in files', () => createSecretFiles(newFolder())],
])('secrets %s', (_, create) => {
  it('are there as they were given, each version its own', async () => {
    const store = create();
    await store.save(first, { TOKEN: 'a\n"ü', __proto__: 'x' });
    await store.save(second, {});
    expect({ ...(await store.read(first)) }).toEqual({ TOKEN: 'a\n"ü' });
    expect({ ...(await store.read(second)) }).toEqual({});
  });

  it('are gone once they are removed, however often', async () => {
    const store = create();
    await store.save(first, { TOKEN: 'a' });
    await store.remove(first);
    await store.remove(first);
    await expect(store.read(first)).rejects.toMatchObject({ _tag: 'StoreFailed' });
  });

  it('are gone that are not among those that are retained', async () => {
    const store = create();
    await store.retain(new Set());
    for (const version of [first, second]) await store.save(version, { TOKEN: version });
    await store.retain(new Set([second]));
    await expect(store.read(first)).rejects.toMatchObject({ _tag: 'StoreFailed' });
    await expect(store.read(second)).resolves.toEqual({ TOKEN: second });
  });
});

describe('secrets in files', () => {
  it('are for their owner only, whatever the umask', async () => {
    const folder = newFolder();
    const umask = process.umask(0);
    try {
      await createSecretFiles(folder).save(second, { TOKEN: 'a' });
    } finally {
      process.umask(umask);
    }
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, second)).mode & 0o777).toBe(0o600);
  });

  it('never take the place of others', async () => {
    const store = createSecretFiles(newFolder());
    await store.save(first, { TOKEN: 'a' });
    await expect(store.save(first, { TOKEN: 'b' })).rejects.toMatchObject({ _tag: 'StoreFailed' });
    await expect(store.read(first)).resolves.toEqual({ TOKEN: 'a' });
  });

  it('leave alone what is none of theirs', async () => {
    const folder = newFolder();
    const store = createSecretFiles(folder);
    await store.save(first, {});
    writeFileSync(join(folder, 'notes'), 'mine');
    await store.retain(new Set());
    expect(readdirSync(folder)).toEqual(['notes']);
  });

  it.each([
    ['sw0rdfish {"TOKEN"', `the secrets ${first} can't be read: the file is no JSON`],
    ['{"TOKEN":["sw0rdfish"]}', 'TOKEN'],
    ['"sw0rdfish"', 'an object of texts'],
  ])('that are damaged (%j) fail without a word of them', async (text, message) => {
    const folder = newFolder();
    const store = createSecretFiles(folder);
    await store.save(second, {});
    writeFileSync(join(folder, first), text, { mode: 0o600 });
    const error = await store.read(first).then(
      () => undefined,
      (caught: unknown) => caught as Error,
    );
    expect(error?.message).toContain(message);
    expect(`${String(error?.stack)}${String(error?.cause)}`).not.toContain('sw0rdfish');
  });

  it('are not read through a link', async () => {
    const folder = newFolder();
    const store = createSecretFiles(folder);
    await store.save(second, { TOKEN: 'a' });
    symlinkSync(join(folder, second), join(folder, first));
    await expect(store.read(first)).rejects.toMatchObject({ _tag: 'StoreFailed' });
  });
});
