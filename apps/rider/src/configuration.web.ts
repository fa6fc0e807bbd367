/** Where the platform is. In the browser: where this page came from, unless a developer says otherwise. */
export const platformOrigin = process.env.EXPO_PUBLIC_PLATFORM_ORIGIN ?? window.location.origin;
