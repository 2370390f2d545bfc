import { CliFault } from './cliFault.js';

/** What serving needs beside this package. */
const needed = 'fastify @fastify/rate-limit @fastify/swagger @fastify/websocket fast-jwt prom-client';

/** Tells of a package that is not there how to get it; throws all else on. */
export function missingPackage(error: unknown): never {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (!['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(code)) throw error;
  throw new CliFault(`a package is missing that this needs beside rx-instances: npm install ${needed}`, {
    cause: error,
  });
}
