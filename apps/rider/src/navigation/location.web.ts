/** The address bar is where the app is. */
export { useBrowserLocation as useAppLocation } from 'wouter/use-browser-location';
