/** A phone has no address bar: where the app is, is kept in memory. */
import { memoryLocation } from 'wouter/memory-location';

export const useAppLocation = memoryLocation({ path: '/' }).hook;
