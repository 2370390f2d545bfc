/**
 * Asks a server for all that it says it serves, rightly and wrongly: `npm run fuzz -- --requests 1000000 --seed 7`. Ends with 1 when
 * something was found.
 */
import { parseArgs } from 'node:util';
import { compile } from '../../support/compiled.js';
import type { Held } from './fuzzServer.js';
import { playFuzz } from './playFuzz.js';

const usage = `npm run fuzz -- [options]
  --requests N  sends so many (1000000)
  --seed S      asks for the same as the last time with it (any)`;

const memory = ({ heapMiB, rssMiB }: Held): string =>
  `heap ${heapMiB.toFixed(1)} MiB, rss ${rssMiB.toFixed(0)} MiB`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 30)) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const [requests, seed] = [Number(values.requests), Number(values.seed)];
  const compiled = compile('test/http/fuzz', 'test/support');
  const startedAt = performance.now();
  console.log(`${String(requests)} requests, seed ${String(seed)}`);
  try {
    const report = await playFuzz({
      program: compiled.pathOf('test/http/fuzz/fuzzChild.ts'),
      requests,
      seed,
      onProgress: (sent, held) => {
        const rate = (1_000 * sent) / (performance.now() - startedAt);
        console.log(`${String(sent)} sent, ${rate.toFixed(0)} a second, ${memory(held)}`);
      },
    });
    for (const finding of report.findings) console.log(`FOUND  ${finding.replace(/\n/g, '\n    ')}`);
    console.log(`answers by status: ${JSON.stringify(report.statuses)}`);
    console.log(`never done: ${report.neverDone.join(', ') || 'none'}`);
    console.log(`before: ${memory(report.before)}; after: ${memory(report.after)}`);
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    const { length } = report.findings;
    console.log(
      `${String(report.requests)} requests on ${String(report.connections)} connections, ${String(length)} findings; ${String(seconds)} s`,
    );
    if (length > 0) process.exitCode = 1;
  } finally {
    compiled.remove();
  }
}

void main();
