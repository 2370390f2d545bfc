import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { driverContract } from 'rx-instances/testing';
import { createProcessSubject } from './processSubject.js';

const homesDir = mkdtempSync(join(tmpdir(), 'contract-'));

afterAll(() => {
  // Each case has removed its homes: what is left would be a fault.
  rmSync(homesDir, { recursive: true });
});

driverContract({ describe, it, afterAll }, createProcessSubject(homesDir));
