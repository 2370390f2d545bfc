import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { decode } from '../../../src/codecs/decode.js';
import { autoStandby, wireAutoStandby } from '../../../src/codecs/policies/autoStandby.js';
import { healthCheck, wireHealthCheck } from '../../../src/codecs/policies/healthCheck.js';
import { restartPolicy, wireRestartPolicy } from '../../../src/codecs/policies/restartPolicy.js';

const decoded = (codec: t.Decoder<unknown, unknown>, value: unknown): unknown => {
  const result = decode(codec, value);
  return E.isRight(result)
    ? result.right
    : result.left.map(({ path, found, expected }) => `${path} | ${found} | ${expected}`);
};

describe('a restart policy', () => {
  it.each([
    [{ policy: 'never' }, undefined],
    [
      { policy: 'on_failure' },
      { policy: 'on_failure', backoffMs: 5_000, maxAttempts: 0, stableAfterMs: 600_000 },
    ],
    [
      { policy: 'always', backoffMs: 0, maxBackoffMs: 1, maxAttempts: 2, stableAfterMs: 3 },
      { policy: 'always', backoffMs: 0, maxBackoffMs: 1, maxAttempts: 2, stableAfterMs: 3 },
    ],
    [{}, ['policy | nothing | one of never, always, on_failure']],
    [{ policy: 'always', backoffMs: 10, maxBackoffMs: 9 }, ['maxBackoffMs | 9 | backoffMs (10) or more']],
    [{ policy: 'always', maxAttempts: -1 }, [expect.stringMatching(/^maxAttempts \| -1 \| /) as string]],
    [{ policy: 'always', backOffMs: 1 }, [expect.stringContaining('perhaps backoffMs') as string]],
  ])('asked for as %j', (asked, expected) => {
    expect(decoded(restartPolicy, asked)).toEqual(expected);
  });

  it('is on the wire as hypeman writes it', () => {
    const policy = { policy: 'always', backoffMs: 5_000, maxAttempts: 3, stableAfterMs: 600_000 } as const;
    const wire = { policy: 'always', backoff: '5s', max_attempts: 3, stable_after: '10m0s' };
    expect(wireRestartPolicy.encode(policy)).toEqual(wire);
    expect(decoded(wireRestartPolicy, wire)).toEqual(policy);
  });
});

describe('a health check', () => {
  const clocks = {
    ...{ intervalMs: 10_000, timeoutMs: 2_000, startPeriodMs: 30_000 },
    ...{ failureThreshold: 3, successThreshold: 1 },
  };

  it.each([
    [{ kind: 'none' }, undefined],
    [
      { kind: 'http', port: 80 },
      { kind: 'http', port: 80, path: '/', scheme: 'http', expectedStatus: 200, ...clocks },
    ],
    [
      { kind: 'tcp', port: 80 },
      { kind: 'tcp', port: 80, ...clocks },
    ],
    [
      { kind: 'tcp', port: 80, intervalMs: 500 },
      { kind: 'tcp', port: 80, ...clocks, intervalMs: 500, timeoutMs: 500 },
    ],
    [
      { kind: 'exec', command: ['true'] },
      { kind: 'exec', command: ['true'], ...clocks },
    ],
    [
      { kind: 'tcp', port: 80, intervalMs: 500, timeoutMs: 501 },
      ['timeoutMs | 501 | the interval (500) or less'],
    ],
    [{ kind: 'exec', command: [] }, [expect.stringMatching(/^command \| /) as string]],
    [{ kind: 'http', port: 80, path: 'x' }, ["path | 'x' | a path with its leading slash"]],
    [{ kind: 'ping' }, [expect.stringContaining('none, http, tcp, exec') as string]],
  ])('asked for as %j', (asked, expected) => {
    expect(decoded(healthCheck, asked)).toEqual(expected);
  });

  it('does not tell the arguments of a program that it refuses', () => {
    const command = ['login', 7, 'secret'];
    expect(JSON.stringify(decoded(healthCheck, { kind: 'exec', command }))).not.toContain('secret');
  });

  it('is on the wire as hypeman writes it', () => {
    const check = { kind: 'exec', command: ['true'], cwd: 'a', ...clocks } as const;
    const wire = {
      ...{ type: 'exec', exec: { command: ['true'], working_dir: 'a' } },
      ...{ interval: '10s', timeout: '2s', start_period: '30s' },
      ...{ failure_threshold: 3, success_threshold: 1 },
    };
    expect(wireHealthCheck.encode(check)).toEqual(wire);
    expect(decoded(wireHealthCheck, wire)).toEqual(check);
    expect(decoded(wireHealthCheck, { ...wire, exec: undefined })).toEqual(['exec | nothing | a program']);
  });
});

describe('auto-standby', () => {
  it.each([
    [{ enabled: false, idleTimeoutMs: 5 }, { enabled: false }],
    [
      { enabled: true, idleTimeoutMs: 5 },
      { enabled: true, idleTimeoutMs: 5, ignoreSourceCidrs: [], ignoreDestinationPorts: [] },
    ],
    [
      {
        ...{ enabled: true, idleTimeoutMs: 5 },
        ignoreSourceCidrs: [' 10.1.2.3/8', '2001:DB8::1/32', '10.0.0.0/8'],
        ignoreDestinationPorts: [443, 80, 443],
      },
      {
        ...{ enabled: true, idleTimeoutMs: 5 },
        ignoreSourceCidrs: ['10.0.0.0/8', '2001:db8::/32'],
        ignoreDestinationPorts: [80, 443],
      },
    ],
    [{ enabled: true }, ['idleTimeoutMs | nothing | milliseconds, where enabled is true']],
    [
      { enabled: true, idleTimeoutMs: 5, ignoreSourceCidrs: ['10.0.0.0'] },
      ["ignoreSourceCidrs[0] | '10.0.0.0' | a network such as 10.0.0.0/8"],
    ],
    [
      { enabled: true, idleTimeoutMs: 5, ignoreDestinationPorts: [0] },
      ['ignoreDestinationPorts[0] | 0 | TCP port (a whole number from 1 to 65535)'],
    ],
  ])('asked for as %j', (asked, expected) => {
    expect(decoded(autoStandby, asked)).toEqual(expected);
  });

  it('is on the wire as hypeman writes it', () => {
    const policy = {
      ...{ enabled: true, idleTimeoutMs: 300_000 },
      ...{ ignoreSourceCidrs: ['10.0.0.0/8'], ignoreDestinationPorts: [22] },
    } as const;
    const wire = {
      ...{ enabled: true, idle_timeout: '5m0s' },
      ...{ ignore_source_cidrs: ['10.0.0.0/8'], ignore_destination_ports: [22] },
    };
    expect(wireAutoStandby.encode(policy)).toEqual(wire);
    expect(decoded(wireAutoStandby, wire)).toEqual(policy);
    expect(decoded(wireAutoStandby, { enabled: false, idle_timeout: '5m0s' })).toEqual({ enabled: false });
  });
});
