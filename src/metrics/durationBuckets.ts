/** Upper bounds of histograms of durations, in seconds; hypeman's. */
export const durationBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5,
  7.5, 10, 20, 30, 45, 60, 90, 120,
];
