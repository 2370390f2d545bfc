import { readFileSync } from 'node:fs';
import { version } from '../../src/http/version.js';

it('the version that is told is that of the package', () => {
  expect(version).toBe((JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version);
});
