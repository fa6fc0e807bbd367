/** Shows the sign-in page of the platform: on a phone in the system's own browser sheet. */
import { openAuthSessionAsync } from 'expo-web-browser';

export const redirectUri = (_platformOrigin: string): string => 'mobility://callback';

/** The address that the page came back with, or undefined when the rider closed it. */
export async function openSignInPage(address: string, redirect: string): Promise<string | undefined> {
  const result = await openAuthSessionAsync(address, redirect);
  return result.type === 'success' ? result.url : undefined;
}

export const signedOutUri = (): string => 'mobility://';

/** Ends the session of the sign-in page too. */
export async function openSignOutPage(address: string): Promise<void> {
  await openAuthSessionAsync(address, signedOutUri());
}
