/** Several lists in order become one. */

/** UTF-8 byte order; JavaScript's own compares UTF-16. */
export const inKeyOrder = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

/** The first of all, in the order of their keys. Each source is read only as far as it is needed. */
export async function mergeInOrder<Item extends { key: string }>(sources: readonly AsyncGenerator<Item>[], limit: number): Promise<Item[]> {
  const heads = await Promise.all(sources.map((source) => source.next()));
  const merged: Item[] = [];
  while (merged.length < limit) {
    let first: { index: number; item: Item } | undefined;
    for (const [index, head] of heads.entries()) {
      if (head.done !== true && (first === undefined || inKeyOrder(head.value.key, first.item.key) < 0)) first = { index, item: head.value };
    }
    const source = first && sources[first.index];
    if (!first || !source) break;
    merged.push(first.item);
    heads[first.index] = await source.next();
  }
  return merged;
}
