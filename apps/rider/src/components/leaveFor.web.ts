/** Goes to a page of somebody else, such as a bank, that leads back here. */
export async function leaveFor(address: string): Promise<void> {
  window.location.assign(address);
}
