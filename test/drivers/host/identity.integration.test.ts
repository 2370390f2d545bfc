import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findIdentity, mayDo } from '../../../src/drivers/host/identity.js';

const folder = mkdtempSync(join(tmpdir(), 'identity-'));
const files = { passwd: join(folder, 'passwd'), group: join(folder, 'group') };
writeFileSync(
  files.passwd,
  '# users\nroot:x:0:0:root:/root:/bin/bash\nada:x:1000:1001:Ada,,,:/home/ada:/bin/zsh\n77:x:1077:1077::/:\n',
);
writeFileSync(files.group, 'root:x:0:\nada:x:1001:\nwheel:x:10:root,ada\ndisk:x:6:ada\nmates:x:1001:ada\n');

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const ada = { name: 'ada', home: '/home/ada', shell: '/bin/zsh' };

it.each([
  ['ada', { uid: 1000, gid: 1001, groups: [10, 6], entry: ada }],
  ['1000', { uid: 1000, gid: 1001, groups: [10, 6], entry: ada }],
  ['ada:wheel', { uid: 1000, gid: 10, groups: [], entry: ada }],
  ['ada:5', { uid: 1000, gid: 5, groups: [], entry: ada }],
  ['2000:wheel', { uid: 2000, gid: 10, groups: [] }],
  ['77', { uid: 1077, gid: 1077, groups: [], entry: { name: '77', home: '/', shell: '' } }],
])('finds %s', (user, identity) => {
  expect(findIdentity(user, files)).toEqual(identity);
});

it.each([
  ['eve', `${files.passwd} names no user "eve"`],
  ['ada:nobody', `${files.group} names no group "nobody"`],
  ['2000', `${files.passwd} has no user 2000, so its group has to be named too, as 2000:gid`],
  ['4294967295:0', 'there are no such numbers'],
])('says why there is no %s', (user, reason) => {
  expect(findIdentity(user, files)).toBe(reason);
});

it.each([
  [0o700, { uid: 1, gid: 1, groups: [] }, true],
  [0o077, { uid: 1, gid: 1, groups: [] }, false],
  [0o710, { uid: 2, gid: 1, groups: [] }, true],
  [0o710, { uid: 2, gid: 3, groups: [1] }, true],
  [0o701, { uid: 2, gid: 3, groups: [1] }, false],
  [0o701, { uid: 2, gid: 3, groups: [] }, true],
  [0o110, { uid: 2, gid: 3, groups: [] }, false],
  [0o600, { uid: 0, gid: 0, groups: [] }, false],
  [0o100, { uid: 0, gid: 0, groups: [] }, true],
])('of mode %o, of user and group 1, %j may execute: %j', (mode, who, may) => {
  expect(mayDo(who, { uid: 1, gid: 1, mode }, 1)).toBe(may);
});
