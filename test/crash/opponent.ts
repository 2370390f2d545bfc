import type { InstanceSpec } from '../../src/lifecycle/instance.js';

/**
 * An instance that damages its own home for as long as it runs: its record, whose end it forges or in whose place it puts a
 * pipe or a link, and its working directory, in which folders, links and pipes take turns. A child of it has left its group.
 */
export const opponent = [
  '/bin/sh',
  '-c',
  [
    'setsid sleep 600 &',
    'cd ..; here=run/record.json',
    'while :; do',
    '  rm -rf $here; echo \'{"exit":{"code":0,"signal":null}}\' > $here; sleep 0.02',
    '  rm -rf $here work/it; mkfifo $here; mkfifo work/it; sleep 0.02',
    '  rm -rf $here work/it; ln -s ../logs $here; ln -s ../logs work/it; sleep 0.02',
    '  rm -rf run work/it; mkdir work/it; sleep 0.02; mkdir -p run; rmdir work/it',
    'done',
  ].join('\n'),
] as const;

/** Whether that is what an instance runs: how it ended then, nobody may be able to tell. */
export const isOpponent = ({ entrypoint }: Pick<InstanceSpec, 'entrypoint'>): boolean =>
  entrypoint?.at(-1) === opponent.at(-1);
