/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: '<rootDir>/test/support/leavesNothingEnvironment.ts',
  globalSetup: '<rootDir>/test/support/leavesNothingSetup.ts',
  globalTeardown: '<rootDir>/test/support/leavesNothingTeardown.ts',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/fixtures/'],
  maxWorkers: 2,
  // Patience, not a measure: the machine may be busy with other things.
  testTimeout: 30_000,
  // With a limit jest takes workers even for one file: in its own process its timers would hide those of the tests.
  workerIdleMemoryLimit: '1GB',
  // Not among the temporary files, which are the run's own.
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  moduleNameMapper: {
    '^rx-instances$': '<rootDir>/src/index.ts',
    '^rx-instances/config$': '<rootDir>/src/config.ts',
    '^rx-instances/http$': '<rootDir>/src/http.ts',
    '^rx-instances/metrics$': '<rootDir>/src/metrics.ts',
    '^rx-instances/promises$': '<rootDir>/src/promises.ts',
    '^rx-instances/qemu$': '<rootDir>/src/qemu.ts',
    '^rx-instances/remote$': '<rootDir>/src/remote.ts',
    '^rx-instances/testing$': '<rootDir>/src/testing.ts',
    '^rx-instances/webhooks$': '<rootDir>/src/webhooks.ts',
    '^rx-instances/wire$': '<rootDir>/src/wire.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  collectCoverageFrom: ['src/lifecycle/**', 'src/streams/**'],
  coverageReporters: ['text'],
  coverageThreshold: { './src/lifecycle/': { branches: 100 }, './src/streams/': { branches: 100 } },
};
