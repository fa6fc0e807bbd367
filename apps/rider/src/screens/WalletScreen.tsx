export function WalletScreen() { return null; }
