/** Shows the sign-in page of the platform: in the browser by going there and coming back to `/callback`. */

export const redirectUri = (_platformOrigin: string): string => `${window.location.origin}/callback`;

/** Leaves this page; the answer arrives as a new visit to `/callback`. */
export async function openSignInPage(address: string, _redirectUri: string): Promise<string | undefined> {
  location.assign(address);
  return undefined;
}

export const signedOutUri = (): string => `${window.location.origin}/`;

/** Ends the session of the sign-in page too, so that the next person at this browser is asked who they are. */
export async function openSignOutPage(address: string): Promise<void> {
  location.assign(address);
}
