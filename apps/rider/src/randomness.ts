/** React Native has no `crypto.getRandomValues`, which ids are made with. */
import { getRandomValues } from 'expo-crypto';

const world = globalThis as { crypto?: { getRandomValues: typeof getRandomValues } };
world.crypto ??= { getRandomValues };
