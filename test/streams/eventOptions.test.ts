import { latestByInstance } from '../../src/streams/eventOptions.js';
import { aDelete, anUpdate } from '../support/lifecycleEvents.js';

const { keyOf, endsKey } = latestByInstance;

test('the latest event is kept by its instance, and a delete ends it', () => {
  expect([keyOf(anUpdate(1, { id: 'b' })), keyOf(aDelete(2, 'c'))]).toEqual(['b', 'c']);
  expect([endsKey(anUpdate(1)), endsKey(aDelete(2))]).toEqual([false, true]);
});
