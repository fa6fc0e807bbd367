/** Text that no database keeps: PostgreSQL has neither U+0000 nor half of a surrogate pair, and would fail where it is written. */

const isUsable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

interface Place {
  value: object;
  name: string;
  within: Place | undefined;
}

function pathTo(place: Place | undefined, last: string): string[] {
  const path = [last];
  for (let at = place; at?.within; at = at.within) path.push(at.name);
  return path.reverse();
}

/**
 * Looks through whatever came in as JSON, a query or a path. Without recursion, because the depth is the sender's choice.
 * @returns the path to the first text, or name of a member, that cannot be kept
 */
export function unusableText(value: unknown): string[] | undefined {
  if (typeof value === 'string') return isUsable(value) ? undefined : [];
  if (typeof value !== 'object' || value === null) return undefined;
  const waiting: Place[] = [{ value, name: '', within: undefined }];
  for (let place = waiting.pop(); place; place = waiting.pop()) {
    if (ArrayBuffer.isView(place.value)) continue;
    for (const [name, member] of Object.entries(place.value) as [string, unknown][]) {
      if (!isUsable(name)) return pathTo(place, '?');
      if (typeof member === 'string' && !isUsable(member)) return pathTo(place, name);
      if (typeof member === 'object' && member !== null) waiting.push({ value: member, name, within: place });
    }
  }
  return undefined;
}
