import { InvalidRequest } from '../../../src/lifecycle/errors.js';
import { nodeProgram, spawnerMark } from '../../../src/drivers/host/nodeProgram.js';
import { createSpawner } from '../../../src/drivers/host/spawner.js';
import { createProcessDriver } from '../../../src/drivers/process/processDriver.js';
import { createQemuDriver } from '../../../src/drivers/qemu/qemuDriver.js';

const command = { program: 'true', args: [], cwd: '/', env: {}, output: '/dev/null' };

it('spawners are run by the Node.js that runs the application, unless another is named', () => {
  expect(nodeProgram(undefined)).toBe(process.execPath);
  expect(nodeProgram('/opt/node/bin/node')).toBe('/opt/node/bin/node');
});

describe('an application that was started as a spawner', () => {
  beforeEach(() => {
    process.env[spawnerMark] = '1';
  });
  afterEach(() => {
    Reflect.deleteProperty(process.env, spawnerMark);
  });

  it.each([
    ['process', () => createProcessDriver()],
    ['process, whatever Node.js it names', () => createProcessDriver({ nodePath: process.execPath })],
    ['qemu', () => createQemuDriver()],
  ])('starts none in its turn, and gets no driver: %s', (_, create) => {
    expect(create).toThrow(InvalidRequest);
    expect(create).toThrow(/nodePath: .*started this application again.*expected the path of a Node\.js/);
  });
});

it.each([
  ['/nowhere/node', /could not be started/],
  ['true', /has ended: if true is no Node\.js, name one by the option nodePath$/],
])('a start fails where %p is said to be a Node.js', async (nodePath, message) => {
  const spawner = createSpawner({ nodePath });
  await expect(spawner.start(command)).rejects.toThrow(message);
  await spawner.close();
});

it.each([[''], [5], ['a\0b']])('is refused: %p as the Node.js of a driver', (nodePath) => {
  expect(() => createProcessDriver({ nodePath } as object)).toThrow(/nodePath/);
});
