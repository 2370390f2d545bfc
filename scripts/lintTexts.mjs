// Lints texts as if they stood in files of the house, all in one process: what the linter learns of the types it learns once.
// Usage: echo '{"src/a.ts":"text"}' | node scripts/lintTexts.mjs, which prints the messages of each file.
import { ESLint } from 'eslint';
import { text } from 'node:stream/consumers';

const linter = new ESLint();
const messages = {};
for (const [filePath, code] of Object.entries(JSON.parse(await text(process.stdin)))) {
  const [result] = await linter.lintText(code, { filePath });
  messages[filePath] = result.messages;
}
console.log(JSON.stringify(messages));
