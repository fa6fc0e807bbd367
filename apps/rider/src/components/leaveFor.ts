/** Goes to a page of somebody else, such as a bank: on a phone over the app, until the rider closes it. */
import { openBrowserAsync } from 'expo-web-browser';

export async function leaveFor(address: string): Promise<void> {
  await openBrowserAsync(address);
}
