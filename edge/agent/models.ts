/** What the agent judges by: trained models and zones, those of the last update before those that it came with. */
import { readFile } from 'node:fs/promises';
import { type CollisionModel, loadCollisionModel } from '../detection/collision.ts';
import { loadZones, type Zones } from '../detection/geofence.ts';
import { loadTamperModel, type TamperModel } from '../detection/tamper.ts';
import type { SelfTest } from '../update/updater.ts';

/** Read-only: thousands of agents in one process share them. */
export interface Models {
  collision: CollisionModel | undefined;
  tamper: TamperModel | undefined;
}

type Trouble = (trouble: string, error: unknown) => void;

/** The file of a bundle of zones. */
export const zonesFile = 'zones.geojson';
const builtIn = new URL('../models/', import.meta.url);

/**
 * Without a file, or with one that is damaged, the rules go on alone.
 * @param onTrouble told which model is missing, and why
 * @param folder of an update, ends with a slash; a model that is not in it is the one that the agent was built with
 */
export async function loadModels(onTrouble: Trouble, folder?: URL): Promise<Models> {
  const load = async <Model>(name: string, read: (bytes: Uint8Array) => Model): Promise<Model | undefined> => {
    for (const place of folder ? [folder, builtIn] : [builtIn]) {
      try {
        return read(await readFile(new URL(`${name}.bin`, place)));
      } catch (error) {
        if (place === builtIn) onTrouble(`without the model of ${name} its rules decide alone`, error);
        else if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onTrouble(`the model of ${name} that was installed cannot be used`, error);
      }
    }
    return undefined;
  };
  return { collision: await load('collision', loadCollisionModel), tamper: await load('tamper', loadTamperModel) };
}

/** @returns undefined when there are none that can be used; the agent then knows no zones */
export function usableZones(onTrouble: Trouble, text: string | Uint8Array | undefined): Zones | undefined {
  if (text === undefined) return undefined;
  try {
    return loadZones(text);
  } catch (error) {
    onTrouble('the zones cannot be used', error);
    return undefined;
  }
}

/** What a bundle has to pass before it takes the place of what works. */
export const selfTests: Record<'models' | 'zones', SelfTest> = {
  models(files) {
    const readers = { 'collision.bin': loadCollisionModel, 'tamper.bin': loadTamperModel };
    const known = Object.entries(readers).flatMap(([path, read]) => [files.get(path)].flatMap((bytes) => (bytes ? [() => read(bytes)] : [])));
    if (known.length === 0) throw new Error(`it has none of ${Object.keys(readers).join(', ')}`);
    for (const read of known) read();
  },
  zones(files) {
    const text = files.get(zonesFile);
    if (!text) throw new Error(`it has no ${zonesFile}`);
    loadZones(text);
  },
};
