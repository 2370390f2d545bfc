import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Compiled, compile } from '../support/compiled.js';

// A hundred processes that others wait for too.
jest.setTimeout(120_000);

let compiled: Compiled;

beforeAll(() => {
  compiled = compile('test/manager');
});
afterAll(() => {
  compiled.remove();
});

it('of a hundred creates at once, where 128 files may be open, none fails, each is read, and has the limit itself', async () => {
  const child = compiled.pathOf('test/manager/fewDescriptorsChild.ts');
  const limited = 'ulimit -n 128 && exec "$0" "$@"';
  const { stdout } = await promisify(execFile)('sh', ['-c', limited, process.execPath, child, '100']);
  expect(JSON.parse(stdout)).toEqual(['created', '128,set']);
});
