import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs the tests of a fixture as the house runs its own, and returns what it was told. */
function jestOver(folder: string): Promise<{ readonly code: unknown; readonly told: string }> {
  const options = [`--roots=test/house/fixtures/leaves/${folder}`, '--testPathIgnorePatterns=^$'];
  return new Promise((done) => {
    execFile('node_modules/.bin/jest', options, (error, _, told) => {
      done({ code: error?.code ?? 0, told });
    });
  });
}

describe('a run of tests', () => {
  it.concurrent(
    'fails when a file of tests leaves a timer, a socket or a child behind',
    async () => {
      const { code, told } = await jestOver('handles');
      expect(told).toMatch(/The tests of this file left behind: (Timeout|TCPServerWrap|ProcessWrap|, ){5}$/m);
      expect(code).toBe(1);
    },
    120_000,
  );

  it.concurrent(
    'fails when it leaves a process or a file behind, and removes them',
    async () => {
      const { code, told } = await jestOver('traces');
      expect(told).toMatch(
        /The tests left behind: process \d+ \(sleep 1002\), process \d+ \(sleep 1003\), file left\.txt$/m,
      );
      expect(code).toBe(1);
    },
    120_000,
  );

  it.concurrent(
    'passes when all that is left ends by itself',
    async () => {
      const { code, told } = await jestOver('nothing');
      expect(told).toContain('2 passed, 2 total');
      expect(code).toBe(0);
    },
    120_000,
  );

  it.concurrent(
    'removes its own folder and nothing else, however often it ends',
    async () => {
      const around = mkdtempSync(join(tmpdir(), 'around-'));
      writeFileSync(join(around, 'of-others'), '');
      // ts-node's cache of compiled code would stay.
      const env = { ...process.env, TMPDIR: around, DISABLE_V8_COMPILE_CACHE: '1' };
      const told = await new Promise((done) => {
        const args = ['test/house/fixtures/leaves/endsTwice.ts'];
        execFile('node_modules/.bin/ts-node', args, { env }, (error, _, written) => {
          done([error?.code ?? 0, written]);
        });
      });
      expect([told, readdirSync(around)]).toEqual([[0, ''], ['of-others']]);
      rmSync(around, { recursive: true });
    },
    120_000,
  );
});
