/** Says which subscriber threw; the error itself follows. */
export const threwMessage = (consumer: string): string =>
  `a subscriber of "${consumer}" threw, or handles no errors and met one; it was unsubscribed`;

/** Reports a subscriber that threw where nobody else was named to be told of it: what is wrong in it would vanish otherwise. */
export const reportThrow = (consumer: string, error: unknown): void => {
  // eslint-disable-next-line no-console -- whoever gave no logger has nothing else that would be read
  console.error(threwMessage(consumer), error);
};
