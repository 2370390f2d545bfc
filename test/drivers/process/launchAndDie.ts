/** Launches what it is told, says its handle, and is killed. */
import { createProcessDriver, type LaunchPlan } from 'rx-instances';
import { concat } from 'rxjs';

const plan = JSON.parse(process.argv[2] as string) as LaunchPlan;
const driver = createProcessDriver();

concat(driver.prepare(plan), driver.launch(plan)).subscribe(({ handle }) => {
  process.stdout.write(JSON.stringify(handle), () => process.kill(process.pid, 'SIGKILL'));
});
