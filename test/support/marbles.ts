import { TestScheduler } from 'rxjs/testing';

type Body = Parameters<TestScheduler['run']>[0];

/** What streams are drawn with. */
export type Marbles = Parameters<Body>[0];

/** Runs a test in virtual time, where streams are drawn as marbles. */
export const marbles = (body: Body): void => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(body);
};
