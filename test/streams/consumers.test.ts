import { consumerLimit, createConsumers } from '../../src/streams/consumers.js';
import { thrownBy } from '../support/thrownBy.js';

const idle = {
  subscribers: 0,
  maxQueueDepth: 0,
  highWater: 0,
  dropped: { buffer_full: 0, overwritten: 0, folded: 0, failed: 0 },
  lagged: 0,
  resumed: 0,
  thrown: 0,
};

describe('the books', () => {
  test('tell of every known consumer from the beginning, also when it has nothing to tell', () => {
    expect(createConsumers(['http', 'metrics']).stats()).toEqual({ http: idle, metrics: idle });
  });

  test('keep one page for each name', () => {
    const consumers = createConsumers();
    expect(consumers.of('billing')).toBe(consumers.of('billing'));
    consumers.of('billing').joined();
    expect(consumers.stats()).toMatchObject({ billing: { subscribers: 1 } });
  });

  test('count subscribers that come and go', () => {
    const consumers = createConsumers();
    const consumer = consumers.of('app');
    consumer.joined();
    consumer.joined();
    consumer.left();
    expect(consumers.stats()).toMatchObject({ app: { subscribers: 1 } });
    consumer.left();
    expect(consumers.stats()).toMatchObject({ app: idle });
  });

  test('tell the longest queue now, and the longest that ever was', () => {
    const consumers = createConsumers();
    const depths = () => {
      const { maxQueueDepth, highWater } = consumers.of('app').stats();
      return [maxQueueDepth, highWater];
    };
    const long = { size: 3, highWater: 9 };
    const short = { size: 1, highWater: 2 };
    const closeShort = consumers.of('app').opened(short);
    const closeLong = consumers.of('app').opened(long);
    expect(depths()).toEqual([3, 9]);
    long.size = 0;
    expect(depths()).toEqual([1, 9]);
    closeLong();
    expect(depths()).toEqual([1, 9]);
    closeShort();
    expect(depths()).toEqual([0, 9]);
    consumers.of('app').opened({ size: 4, highWater: 4 });
    expect(depths()).toEqual([4, 9]);
  });

  test('add up what was dropped by its reason, lags, and throws', () => {
    const consumers = createConsumers();
    const app = consumers.of('app');
    app.dropped('folded', 1);
    app.dropped('failed', 3);
    app.dropped('failed', 4);
    app.lagged();
    app.lagged();
    app.threw();
    expect(consumers.stats()['app']).toEqual({
      ...idle,
      dropped: { buffer_full: 0, overwritten: 0, folded: 1, failed: 7 },
      lagged: 2,
      thrown: 1,
    });
  });

  test('give out copies, which later events leave as they are', () => {
    const consumers = createConsumers(['http']);
    const before = consumers.stats();
    consumers.of('http').dropped('folded', 1);
    expect(before['http']).toEqual(idle);
  });
});

describe('a name', () => {
  test.each<[string, unknown]>([
    ['an empty text', ''],
    ['a capital', 'Billing'],
    ['a digit first', '1st'],
    ['an underscore first', '_app'],
    ['a hyphen', 'my-app'],
    ['a blank', 'my app'],
    ['a line break', 'app\n'],
    ['a letter that is not of ASCII', 'café'],
    ['65 letters', 'a'.repeat(65)],
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['what is inherited by every object', '__proto__'],
  ])('is refused with %s, and leaves no page', (_, name) => {
    const consumers = createConsumers();
    expect(thrownBy(() => consumers.of(name as string))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: '' }],
    });
    expect(Object.keys(consumers.stats())).toEqual([]);
  });

  test.each(['a', 'a1_', 'a'.repeat(64), 'constructor'])('may be %s', (name) => {
    const consumers = createConsumers();
    consumers.of(name).threw();
    expect(consumers.stats()[name]).toEqual({ ...idle, thrown: 1 });
  });

  test('is refused as the 65th, while those that are there stay', () => {
    const consumers = createConsumers();
    for (let count = Object.keys(consumers.stats()).length; count < consumerLimit; count += 1) {
      consumers.of(`app_${String(count)}`);
    }
    expect(Object.keys(consumers.stats())).toHaveLength(64);
    expect(thrownBy(() => consumers.of('one_more'))).toMatchObject({
      _tag: 'TooManyConsumers',
      consumer: 'one_more',
      limit: 64,
      message: '"one_more" would be consumer name 65; a manager knows at most 64',
    });
    expect(thrownBy(() => consumers.of('No name'))).toMatchObject({ _tag: 'InvalidRequest' });
    expect(Object.keys(consumers.stats())).toHaveLength(64);
    expect(consumers.of('app_63').stats()).toEqual(idle);
    expect(consumers.of('app_0').stats()).toEqual(idle);
  });
});
