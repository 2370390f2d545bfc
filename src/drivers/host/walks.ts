import { createSlots } from './slots.js';

/** Walks of trees that go on at a time in the whole process: each holds some descriptors. */
export const walks = createSlots(16);
