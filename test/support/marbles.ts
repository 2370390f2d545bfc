import { TestScheduler } from 'rxjs/testing';

/** Runs a test in virtual time, where streams are drawn as marbles. */
export const marbles = (body: Parameters<TestScheduler['run']>[0]): void => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(body);
};
