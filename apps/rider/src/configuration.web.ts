/** Where the platform is. In the browser: where this page came from. */
export const platformOrigin = window.location.origin;
