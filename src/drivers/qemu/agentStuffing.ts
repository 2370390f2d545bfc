/** What most frames of the agent hold at most, as they travel; one that is longer is none of its. */
const mostBytes = 64 * 1_024;

/** Below this a copy by hand is quicker. */
const shortRun = 32;

/**
 * A frame as it travels: without a zero byte but at its end, so that one that was cut off harms none that comes after it (consistent
 * overhead byte stuffing, S. Cheshire and M. Baker 1999).
 */
export function stuff(frame: Buffer): Buffer {
  const out = Buffer.allocUnsafe(frame.length + Math.floor(frame.length / 254) + 2);
  let [from, to] = [0, 0];
  const run = (code: number, bytes: number): void => {
    out[to] = code;
    to += 1;
    if (bytes < shortRun) for (let at = 0; at < bytes; at += 1) out[to + at] = frame[from + at] ?? 0;
    else frame.copy(out, to, from, from + bytes);
    to += bytes;
    from += bytes;
  };
  for (;;) {
    const zero = frame.indexOf(0, from);
    const end = zero === -1 ? frame.length : zero;
    while (end - from >= 254) run(255, 254);
    run(end - from + 1, end - from);
    if (zero === -1) break;
    from = zero + 1;
  }
  out[to] = 0;
  return out.subarray(0, to + 1);
}

/** Undoes {@link stuff} for what lies before the zero; `undefined` where it is no whole frame. */
export function unstuff(bytes: Buffer): Buffer | undefined {
  const out = Buffer.allocUnsafe(bytes.length);
  let [from, to] = [0, 0];
  while (from < bytes.length) {
    const code = bytes[from] ?? 0;
    const end = from + code;
    if (code === 0 || end > bytes.length) return undefined;
    if (code <= shortRun) for (let at = from + 1; at < end; at += 1, to += 1) out[to] = bytes[at] ?? 0;
    else to += bytes.copy(out, to, from + 1, end);
    from = end;
    if (code < 255 && from < bytes.length) {
      out[to] = 0;
      to += 1;
    }
  }
  return out.subarray(0, to);
}

/** Cuts what comes into frames. */
export interface FrameCutter {
  /** The frames that end in what came now; `undefined` stands for what is none. */
  take(bytes: Buffer): readonly (Buffer | undefined)[];
}

/** Creates a {@link FrameCutter}. However much comes without an end, and in however small parts, it keeps no more than one frame may hold. */
export function createFrameCutter(): FrameCutter {
  /** The beginning of a frame whose end has not come: copied, since a part may lie in a buffer that is much larger. */
  let kept = Buffer.alloc(0);
  let held = 0;

  const hold = (part: Buffer): void => {
    const length = held + part.length;
    if (length <= mostBytes) {
      if (length > kept.length) {
        const wider = Buffer.allocUnsafeSlow(Math.min(length * 2, mostBytes));
        kept.copy(wider, 0, 0, held);
        kept = wider;
      }
      part.copy(kept, held);
    }
    held = length;
  };

  const whole = (): Buffer | undefined => {
    const frame = held <= mostBytes ? unstuff(kept.subarray(0, held)) : undefined;
    held = 0;
    return frame;
  };

  return {
    take: (bytes) => {
      const frames: (Buffer | undefined)[] = [];
      let from = 0;
      for (let zero = bytes.indexOf(0); zero !== -1; zero = bytes.indexOf(0, from)) {
        const part = bytes.subarray(from, zero);
        from = zero + 1;
        // Two ends in a row are no frame, and no harm.
        if (held + part.length === 0) continue;
        if (held > 0) {
          hold(part);
          frames.push(whole());
        } else frames.push(part.length <= mostBytes ? unstuff(part) : undefined);
      }
      hold(bytes.subarray(from));
      return frames;
    },
  };
}
