import { Observable, Subject, Subscriber } from 'rxjs';
import { connect } from '../../src/streams/connect.js';

const noted = () => {
  const told: unknown[] = [];
  return {
    told,
    observer: {
      next: (value: unknown) => told.push(value),
      error: (error: unknown) => told.push(error),
      complete: () => told.push('end'),
    },
  };
};

const destinationOf = () => {
  const { observer } = noted();
  return new Subscriber<never>(observer);
};

test('connect tells the observer what the source tells, and leaves the destination open at the end', () => {
  const { told, observer } = noted();
  const destination = destinationOf();
  const source$ = new Subject<number>();
  connect(source$, destination, observer);
  source$.next(1);
  source$.complete();
  expect([told, destination.closed]).toEqual([[1, 'end'], false]);
});

test('connect leaves the source with its destination', () => {
  const { told, observer } = noted();
  const destination = destinationOf();
  const source$ = new Subject<number>();
  connect(source$, destination, observer);
  destination.unsubscribe();
  source$.next(1);
  expect([told, source$.observed]).toEqual([[], false]);
});

test('connect leaves a source that emits within subscribe', () => {
  const destination = destinationOf();
  let emitted = 0;
  const source$ = new Observable<number>((subscriber) => {
    while (!subscriber.closed && emitted < 99) subscriber.next(++emitted);
  });
  const { observer } = noted();
  connect(source$, destination, {
    ...observer,
    next: (value) => {
      if (value === 3) destination.unsubscribe();
    },
  });
  expect(emitted).toBe(3);
});

test('connect begins nothing for a destination that has ended', () => {
  const destination = destinationOf();
  destination.unsubscribe();
  const subscribed = jest.fn();
  connect(new Observable(subscribed), destination, noted().observer);
  expect(subscribed).not.toHaveBeenCalled();
});
