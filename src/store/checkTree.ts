/** The pages of a file of lmdb. */
export interface Pages {
  readonly pageSize: number;
  /** The last transaction: no page is of a later one. */
  readonly transaction: number;
  read(first: number, count: number): Buffer;
  /** Throws for pages that are not in the file or used already. */
  use(first: number, count: number): void;
}

/** A tree of pages. */
export interface Tree {
  readonly flags: number;
  /** How many pages there are on the way from the root to a leaf, both counted. */
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  readonly root: number;
}

/** Kinds of pages. */
export const kinds = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;

const headBytes = 24;
const nodeBytes = 8;
/** The root of a tree that is empty. */
const noPage = 2 ** 64;
/** lmdb goes no deeper. */
const deepest = 32;

/** Checks a tree from its root to its leaves; `visit` is told every record. */
export function checkTree(
  pages: Pages,
  tree: Tree,
  compare: (one: Buffer, other: Buffer) => number,
  visit: (key: Buffer, value: Buffer) => void,
): void {
  const { pageSize } = pages;
  const found = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
  let last: Buffer | undefined;

  const pageAt = (number: number, count: number, kind: number): Buffer => {
    pages.use(number, count);
    const page = pages.read(number, count);
    const since = u64(page, 8);
    hold(
      u64(page, 0) === number && page.readUInt16LE(18) === kind && since > 0 && since <= pages.transaction,
      `page ${String(number)} is not what it has to be`,
    );
    return page;
  };

  /** The parts of a page, in the order of their keys; they fill it from `upper` to its end. */
  const nodesOf = (page: Buffer, number: number, isLeaf: boolean): readonly Buffer[] => {
    const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)];
    const broken = `page ${String(number)} is broken`;
    hold(lower > 0 && lower % 2 === 0 && lower <= upper && upper <= pageSize - headBytes, broken);
    let filled = 0;
    const nodes = Array.from({ length: lower / 2 }, (_, index) => {
      const offset = page.readUInt16LE(headBytes + 2 * index);
      hold(offset >= upper && offset % 2 === 0 && headBytes + offset + nodeBytes <= pageSize, broken);
      const node = page.subarray(headBytes + offset);
      const bytes = nodeBytes + keyBytes(node) + (isLeaf ? valueBytes(node) : 0);
      hold(bytes <= node.length, broken);
      filled += bytes + (bytes % 2);
      return node;
    });
    hold(filled === pageSize - headBytes - upper, broken);
    return nodes;
  };

  const valueOf = (node: Buffer, number: number): Buffer => {
    const start = nodeBytes + keyBytes(node);
    const value = node.subarray(start, start + valueBytes(node));
    if (!isLarge(node)) return value;

    const bytes = node.readUInt32LE(0);
    const [first, count] = [u64(value, 0), Math.floor((headBytes - 1 + bytes) / pageSize) + 1];
    const page = pageAt(first, count, kinds.overflow);
    const agree = u64(value, 16) === count && page.readUInt32LE(20) === count;
    hold(agree, `page ${String(number)} has a broken record`);
    found.overflows += count;
    return page.subarray(headBytes, headBytes + bytes);
  };

  /** Returns the first key below a page. */
  const walk = (number: number, depth: number): Buffer => {
    const isLeaf = depth === tree.depth;
    const nodes = nodesOf(pageAt(number, 1, isLeaf ? kinds.leaf : kinds.branch), number, isLeaf);
    if (isLeaf) {
      found.leaves += 1;
      found.entries += nodes.length;
      for (const node of nodes) visit(keyOf(node), valueOf(node, number));
      last = keyOf(nodes.at(-1) as Buffer);
    } else {
      found.branches += 1;
    }
    const firsts = isLeaf
      ? nodes.map(keyOf)
      : nodes.map((node, index) => {
          const before = last;
          const first = walk(childOf(node), depth + 1);
          const parts =
            index === 0 ||
            (before !== undefined && compare(before, keyOf(node)) < 0 && compare(keyOf(node), first) <= 0);
          hold(parts, `page ${String(number)} leads astray`);
          return first;
        });
    return firsts[0] as Buffer;
  };

  const isEmpty = tree.root === noPage;
  hold(tree.depth <= deepest && isEmpty === (tree.depth === 0), 'a tree has no depth');
  if (!isEmpty) walk(tree.root, 1);
  const { branches, leaves, overflows, entries } = found;
  hold(
    branches === tree.branches &&
      leaves === tree.leaves &&
      overflows === tree.overflows &&
      entries === tree.entries,
    'a tree has another size',
  );
}

const keyBytes = (node: Buffer): number => node.readUInt16LE(6);
/** Whether the value lies on pages of its own, whose number, transaction and count stand here. */
const isLarge = (node: Buffer): boolean => {
  const flags = node.readUInt16LE(4);
  hold(flags === 0 || flags === 1, 'a record is of another kind');
  return flags === 1;
};

const valueBytes = (node: Buffer): number => (isLarge(node) ? 24 : node.readUInt32LE(0));
const keyOf = (node: Buffer): Buffer => node.subarray(nodeBytes, nodeBytes + keyBytes(node));
const childOf = (node: Buffer): number => node.readUInt32LE(0) + node.readUInt16LE(4) * 2 ** 32;

/** A number of 64 bits; what JavaScript can't tell apart is no page anyway. */
export const u64 = (bytes: Buffer, offset: number): number => Number(bytes.readBigUInt64LE(offset));

/** Throws unless the condition holds. */
export function hold(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
