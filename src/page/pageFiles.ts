import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file of the page. */
export interface PageFile {
  /** Its media type. */
  readonly type: string;
  readonly text: string;
}

const own = (name: string): string => readFileSync(join(__dirname, name), 'utf8');

/** A file of a package, with its licence, which has to go with it, and without the map, which is not served. */
const ofPackage = (name: string, file: string): string => {
  const folder = join(__dirname, '../../node_modules', name);
  const licence = readFileSync(join(folder, 'LICENSE'), 'utf8').replaceAll('*/', '* /').trim();
  const code = readFileSync(join(folder, file), 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
  return `/*! ${name}\n\n${licence}\n*/\n${code}`;
};

const [script, style] = ['text/javascript; charset=utf-8', 'text/css; charset=utf-8'];

const modules = [
  ...['api', 'app', 'consumers', 'detail', 'events', 'exec', 'html'],
  ...['instances', 'room', 'signIn', 'table', 'verbs', 'watched', 'words'],
];

/**
 * The files of the page by their path below it. The build writes their texts into this module, so that the page is served wherever that
 * is put by a bundler, and without a package of its own.
 */
export const pageFiles: Readonly<Record<string, PageFile>> = {
  '': { type: 'text/html; charset=utf-8', text: own('index.html') },
  'page/page.css': { type: style, text: own('page.css') },
  'page/icon.svg': { type: 'image/svg+xml', text: own('icon.svg') },
  ...Object.fromEntries(
    modules.map((name) => [`page/${name}.mjs`, { type: script, text: own(`${name}.mjs`) }]),
  ),
  'page/preact.mjs': { type: script, text: ofPackage('preact', 'dist/preact.mjs') },
  'page/hooks.mjs': { type: script, text: ofPackage('preact', 'hooks/dist/hooks.mjs') },
  'page/htm.mjs': { type: script, text: ofPackage('htm', 'dist/htm.mjs') },
};
