import { TestEnvironment } from 'jest-environment-node';
// By its full name: jest loads this file without its module mapper.
import { until } from './until.ts';

/** Fails a test file that leaves behind what keeps Node alive: a timer, a socket, a child process. */
export default class LeavesNothingEnvironment extends TestEnvironment {
  /** Node opens these when they are first looked at, and they stay: now, so that they count as there before. */
  protected readonly standardStreams = [process.stdin, process.stdout, process.stderr];
  private readonly before = process.getActiveResourcesInfo();

  override async teardown(): Promise<void> {
    const left = await until(
      () => this.left(),
      (kinds) => kinds.length === 0,
    );
    await super.teardown();
    if (left.length > 0) throw new Error(`The tests of this file left behind: ${left.join(', ')}`);
  }

  /** What is there now and was not at the beginning. */
  private left(): readonly string[] {
    const known = [...this.before];
    return process.getActiveResourcesInfo().filter((kind) => {
      const index = known.indexOf(kind);
      if (index !== -1) known.splice(index, 1);
      return index === -1;
    });
  }
}
