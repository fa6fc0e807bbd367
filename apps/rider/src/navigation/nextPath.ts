/** The path in a `next=` parameter. Only paths of this app: an address from outside must not decide where a rider lands. */
export function nextPath(search: string): string | undefined {
  const next = new URLSearchParams(search).get('next');
  return next !== null && /^\/(?![/\\])/.test(next) ? next : undefined;
}
