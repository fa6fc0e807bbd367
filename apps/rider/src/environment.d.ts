/** What the bundler puts in place of these words when the app is built. */
declare const process: { env: { EXPO_PUBLIC_PLATFORM_ORIGIN?: string } };
