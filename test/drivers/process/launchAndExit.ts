/** Launches what lasts in the home that it is told, says its pid, and exits without closing anything. */
import { createProcessDriver } from 'rx-instances';
import { concat } from 'rxjs';

const [home = '', killOnExit] = process.argv.slice(2);
const driver = createProcessDriver({ killOnExit: killOnExit === 'true' });
const spec = {
  driver: 'process',
  image: 'scratch',
  env: {},
  tags: {},
  entrypoint: ['/bin/sh', '-c', 'sleep 600 & sleep 600'],
};
const plan = { instanceId: 'orphan', name: 'orphan', spec, home };

concat(driver.prepare(plan), driver.launch(plan)).subscribe(({ handle }) => {
  process.stdout.write(String(handle.pid), () => process.exit(7));
});
