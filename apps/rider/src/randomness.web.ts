/** Browsers bring their own randomness. */
export {};
