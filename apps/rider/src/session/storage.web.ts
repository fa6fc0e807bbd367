/** Keeps small secrets for the next visit. In the browser: this origin's local storage. */

export async function readStored(name: string): Promise<string | undefined> {
  return localStorage.getItem(name) ?? undefined;
}

/** Without a value the entry is removed. */
export async function writeStored(name: string, value: string | undefined): Promise<void> {
  if (value === undefined) localStorage.removeItem(name);
  else localStorage.setItem(name, value);
}

/** Lets one tab at a time do what would break when two do it: a refresh token works once. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request(name, work) : work();
}
