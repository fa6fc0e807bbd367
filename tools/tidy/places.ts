/** Names of folders, rooms of modules, and paths that exist on one machine only. */

const namesThatSayNothing = /^(utils?|helpers?|common|managers?|misc|shared|lib|stuff)(\.[a-z.]+)?$/i;
/** `libs` and a package's own `ui` folder have their place in the design. */
export const emptyNames = (paths: readonly string[]): string[] =>
  paths.flatMap((path) => {
    const part = path.split('/').find((name) => namesThatSayNothing.test(name));
    return part ? [`${path}: "${part}" says nothing; name it for what it does`] : [];
  });

const serviceRooms = ['README.md', 'contract.ts', 'module.ts', 'domain/', 'store.ts', 'migrations/'];
const moduleRooms = ['README.md', 'contract.ts', 'module.ts'];
const moduleFolder = /^server\/(?:(services|intelligence)\/[^/]+|(?:orchestrators|lake)\/[^/]+|gateway|iot)\//;

/** @returns what is missing in each module's folder */
export function missingRooms(paths: readonly string[]): string[] {
  const folders = new Map(paths.flatMap((path) => {
    const match = moduleFolder.exec(path);
    return match ? [[match[0], match[1] ? serviceRooms : moduleRooms] as const] : [];
  }));
  return [...folders].flatMap(([folder, rooms]) =>
    rooms.filter((room) => !paths.some((path) => (room.endsWith('/') ? path.startsWith(folder + room) : path === folder + room))).map((room) => `${folder} has no ${room}; every module has the same rooms (CONTRIBUTING.md, "A module")`),
  );
}

const machinePath = /(?<![\w./}-])\/(?:home|Users|root|work|mnt|media)\/[\w.-]+/g;

/** @returns lines that name a folder of someone's machine */
export const machinePaths = (path: string, text: string): string[] =>
  [...text.matchAll(machinePath)].map((match) => `${path}:${text.slice(0, match.index).split('\n').length}: ${match[0]} exists on one machine only; use a path relative to the repository or a setting`);
