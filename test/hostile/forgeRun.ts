/** A program that writes a handle of its choice into every place from which it may be read, for as long as it runs. */
export const forgeRun = (handle: object): string => `
  const { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } = require('node:fs');
  const { spawn } = require('node:child_process');
  const forge = () => {
    for (const place of ['../run.json', '../run/record.json']) {
      try {
        mkdirSync('../run', { recursive: true });
        const known = existsSync(place) ? JSON.parse(readFileSync(place, 'utf8').split('\\n')[0]) : {};
        const spawner = known.spawner ?? { pid: 2, startTime: '1' };
        const own = { logStart: 0, home: String(statSync('..').ino), ...known.handle };
        writeFileSync(place, JSON.stringify({ ...known, spawner, handle: { ...own, ...${JSON.stringify(handle)} } }));
      } catch {}
    }
  };
  forge();
  setInterval(forge, 5);
  console.log('here');
`;
