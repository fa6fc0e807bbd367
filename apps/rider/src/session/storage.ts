/** Keeps small secrets for the next visit. On a phone: the keychain or keystore. */
import { deleteItemAsync, getItemAsync, setItemAsync } from 'expo-secure-store';

export async function readStored(name: string): Promise<string | undefined> {
  return (await getItemAsync(name)) ?? undefined;
}

/** Without a value the entry is removed. */
export async function writeStored(name: string, value: string | undefined): Promise<void> {
  if (value === undefined) await deleteItemAsync(name);
  else await setItemAsync(name, value);
}

/** An app runs once, so nothing has to wait. */
export async function exclusively<T>(_name: string, work: () => Promise<T>): Promise<T> {
  return work();
}
