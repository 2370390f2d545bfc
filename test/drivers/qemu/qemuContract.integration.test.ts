import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { driverContract } from 'rx-instances/testing';
import { createQemuSubject } from './qemuSubject.js';

// Patience: two processors that others use too.
jest.setTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), 'q-'));
const subject = createQemuSubject(folder);

afterAll(() => {
  // Each case has removed its homes.
  expect(readdirSync(subject.homesDir)).toEqual([]);
  rmSync(folder, { recursive: true });
});

driverContract({ describe, it, afterAll }, subject);
