export function LicenceScreen() { return null; }
