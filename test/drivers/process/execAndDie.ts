/** Launches what it is told, runs a program beside it that lasts, and is killed once that runs. */
import { existsSync } from 'node:fs';
import { createProcessDriver, type LaunchPlan } from 'rx-instances';
import { concat, interval, mergeMap } from 'rxjs';

const [, , told = '', file = ''] = process.argv;
const plan = JSON.parse(told) as LaunchPlan;
const driver = createProcessDriver();
const command = ['/bin/sh', '-c', `: > ${file}; sleep 600 & wait`];

concat(driver.prepare(plan), driver.launch(plan))
  .pipe(mergeMap(({ exec }) => exec?.({ command, hasInput: false, hasOutput: true }) ?? []))
  .subscribe();

interval(5).subscribe(() => {
  if (existsSync(file)) process.kill(process.pid, 'SIGKILL');
});
