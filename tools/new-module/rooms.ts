import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { roomsOf } from './templates.ts';

const containers = ['services', 'orchestrators', 'intelligence', 'lake'];

/**
 * Makes the rooms of a new module.
 * @param place `services/kyc`, below server/
 * @returns the paths of the files, relative to the root
 * @throws Error that says what is wrong with the place, or that it is taken
 */
export function createModule(root: string, place: string): string[] {
  const [container = '', name = '', ...rest] = place.replace(/^server\//, '').split('/');
  if (!containers.includes(container) || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || rest.length > 0) {
    throw new Error(`"${place}" is no place for a module; say CONTAINER/NAME with a container of ${containers.join(', ')} and a name in small letters and dashes: services/kyc`);
  }
  const folder = posix.join('server', container, name);
  if (existsSync(join(root, folder))) throw new Error(`${folder} is there already; choose another name`);
  const names = { module: name, camel: name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()), rule: name.toUpperCase(), up: '../..' };
  return Object.entries(roomsOf(names)).map(([room, text]) => {
    const path = posix.join(folder, room);
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { flag: 'wx' });
    return path;
  });
}
