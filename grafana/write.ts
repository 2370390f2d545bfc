import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { files } from './files.js';

for (const [name, text] of Object.entries(files())) writeFileSync(join(__dirname, name), text);
