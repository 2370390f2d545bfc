import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

interface Step {
  readonly uses?: string;
  readonly run?: string;
}

interface Job {
  readonly uses?: string;
  readonly needs?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix: { readonly node: readonly string[] } };
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const folder = '.github/workflows';
const files = readdirSync(folder).sort();
// What is odd in a text, such as a key that stands twice, is thrown.
const read = (file: string): Workflow =>
  parse(readFileSync(join(folder, file), 'utf8'), { strict: true }) as Workflow;

const runsOf = ({ steps = [] }: Job): readonly string[] => steps.flatMap(({ run = [] }) => run);
const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };

describe('the workflows', () => {
  it('are these', () => {
    expect(files).toStrictEqual(['publish.yml', 'test.yml']);
  });

  it.each(files)('name every action by its commit, and may no more than read: %s', (file) => {
    const { permissions, jobs } = read(file);
    const used = Object.values(jobs).flatMap(({ uses = [], steps = [] }) => [
      ...[uses].flat(),
      ...steps.flatMap((step) => step.uses ?? []),
    ]);
    expect(used.filter((action) => !/^\.\/|@[0-9a-f]{40}$/.test(action))).toStrictEqual([]);
    expect(permissions).toStrictEqual({ contents: 'read' });
  });

  it('run what CI runs, on every Node that is promised and on macOS', () => {
    const { linux, macos } = read('test.yml').jobs;
    const least = engines.node.replace('>=', '');
    expect(linux?.strategy?.matrix.node).toStrictEqual([least, '22', '24', '26']);
    expect([linux, macos].map((job) => job && runsOf(job).at(-1))).toStrictEqual(['.ci/run', '.ci/run']);
  });

  it('publish what was tested, with where it comes from', () => {
    const { test, publish } = read('publish.yml').jobs;
    expect(test?.uses).toBe('./.github/workflows/test.yml');
    expect(publish?.needs).toBe('test');
    expect(publish?.permissions).toStrictEqual({ contents: 'read', 'id-token': 'write' });
    expect(publish && runsOf(publish).at(-1)).toMatch(/^npm publish --provenance /);
  });
});
