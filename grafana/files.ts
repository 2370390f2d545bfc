import { stringify } from 'yaml';
import { rules } from './alerts.js';
import { dashboard } from './dashboard.js';

const head = '# Written by `npm run grafana` from grafana/alerts.ts.\n';

/** What is generated, by the names of the files. */
export const files = (): Readonly<Record<string, string>> => ({
  'dashboard.json': `${JSON.stringify(dashboard(), null, 2)}\n`,
  'alerts.yaml': `${head}${stringify(rules(), { lineWidth: 0 })}`,
});
