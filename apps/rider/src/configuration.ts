/** Where the platform is. A phone is told when the app is built. */
export const platformOrigin = process.env.EXPO_PUBLIC_PLATFORM_ORIGIN ?? 'http://localhost:8080';
