/** The trained models that came with the agent, or by an update. */
import { readFile } from 'node:fs/promises';
import { type CollisionModel, loadCollisionModel } from '../detection/collision.ts';
import { loadTamperModel, type TamperModel } from '../detection/tamper.ts';

/** Read-only: thousands of agents in one process share them. */
export interface Models {
  collision: CollisionModel | undefined;
  tamper: TamperModel | undefined;
}

const builtIn = new URL('../models/', import.meta.url);

/**
 * Without a file, or with one that is damaged, the rules go on alone.
 * @param folder ends with a slash; the models that the agent was built with, without it
 * @param onTrouble told which model is missing, and why
 */
export async function loadModels(onTrouble: (trouble: string, error: unknown) => void, folder: URL = builtIn): Promise<Models> {
  const load = async <Model>(name: string, read: (bytes: Uint8Array) => Model): Promise<Model | undefined> => {
    try {
      return read(await readFile(new URL(`${name}.bin`, folder)));
    } catch (error) {
      onTrouble(`without the model of ${name} its rules decide alone`, error);
      return undefined;
    }
  };
  return { collision: await load('collision', loadCollisionModel), tamper: await load('tamper', loadTamperModel) };
}
