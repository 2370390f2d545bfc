import { build } from 'esbuild';

/** Makes of a door what a page would load, and tells which files went into it. */
async function bundled(door: string) {
  const { metafile, outputFiles } = await build({
    entryPoints: [door],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    minify: true,
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  return { files: Object.keys(metafile.inputs), text: outputFiles[0]?.text ?? '' };
}

describe('what a page loads', () => {
  it.each(['src/remote.ts', 'src/wire.ts'])('of %s has nothing of Node in it', async (door) => {
    const { files, text } = await bundled(door);
    expect(text).not.toMatch(/(require\(|from|import)\s*["']node:/);
    expect(
      files.filter((file) => /^src\/(drivers|store|manager|controllers|door|http)\//.test(file)),
    ).toEqual([]);
  });

  it('of the manager cannot be made: it is for Node', async () => {
    await expect(bundled('src/index.ts')).rejects.toThrow(/node:/);
  });
});
