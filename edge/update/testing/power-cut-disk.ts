/** A disk that forgets what no `sync` has put onto it, and whose power is cut at the n-th operation. */
import type { Disk } from '../disk.ts';

export class PowerCut extends Error {
  override name = 'PowerCut';
}

interface Inode {
  bytes: Uint8Array;
}

const parentOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');

/** Content is durable when written; that a name exists, or has gone, when its folder was synced since. */
export class PowerCutDisk implements Disk {
  #names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #durableFolders = new Set<string>(['']);
  operations = 0;
  /** The operation at which the power goes; it happens by half, or not at all. */
  cutAt = Number.POSITIVE_INFINITY;

  /** @returns whether this operation is the one that is cut */
  #step(): boolean {
    if (this.operations > this.cutAt) throw new PowerCut();
    return this.operations++ === this.cutAt;
  }

  /** After the cut: everything, or only what was synced. */
  after(keeps: 'all' | 'synced'): PowerCutDisk {
    const disk = new PowerCutDisk();
    const isReachable = (path: string): boolean => path === '' || (this.#durableFolders.has(path) && isReachable(parentOf(path)));
    const kept = keeps === 'all' ? this.#names : new Map([...this.#durable].filter(([path]) => isReachable(parentOf(path))));
    disk.#names = new Map([...kept].map(([path, { bytes }]) => [path, { bytes }]));
    disk.#durable = new Map(disk.#names);
    disk.#durableFolders = new Set(['', ...[...disk.#names.keys()].flatMap((path) => path.split('/').map((_, index, parts) => parts.slice(0, index).join('/')))]);
    return disk;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.#names.get(path)?.bytes;
  }

  async sizeBytes(path: string): Promise<number> {
    return this.#names.get(path)?.bytes.length ?? 0;
  }

  async list(folder: string): Promise<string[]> {
    const prefix = folder === '' ? '' : `${folder}/`;
    return [...new Set([...this.#names.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split('/')[0] ?? ''))];
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const isCut = this.#step();
    this.#names.set(path, { bytes: isCut ? bytes.subarray(0, bytes.length / 2) : bytes });
    if (isCut) throw new PowerCut();
  }

  async append(path: string, bytes: Uint8Array): Promise<void> {
    const isCut = this.#step();
    const inode = this.#names.get(path) ?? { bytes: new Uint8Array() };
    inode.bytes = Buffer.concat([inode.bytes, isCut ? Buffer.alloc(bytes.length) : bytes]);
    this.#names.set(path, inode);
    if (isCut) throw new PowerCut();
  }

  async rename(from: string, to: string): Promise<void> {
    if (this.#step()) throw new PowerCut();
    const inode = this.#names.get(from);
    if (!inode) throw new Error(`there is no ${from}`);
    this.#names.set(to, inode);
    this.#names.delete(from);
  }

  async remove(path: string): Promise<void> {
    const isCut = this.#step();
    const within = [...this.#names.keys()].filter((name) => name === path || name.startsWith(`${path}/`));
    for (const name of isCut ? within.slice(0, within.length / 2) : within) this.#names.delete(name);
    if (isCut) throw new PowerCut();
  }

  async sync(folder: string): Promise<void> {
    if (this.#step()) throw new PowerCut();
    const childOf = (path: string): string | undefined => (folder === '' ? path : path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : undefined)?.split('/')[0];
    const children = new Set([...this.#names.keys()].flatMap((path) => childOf(path) ?? []));
    const full = (child: string) => (folder === '' ? child : `${folder}/${child}`);
    for (const path of this.#durable.keys()) {
      const child = childOf(path);
      if (child !== undefined && (!children.has(child) || !path.slice(full(child).length).startsWith('/')) && !this.#names.has(path)) this.#durable.delete(path);
    }
    for (const child of children) {
      const inode = this.#names.get(full(child));
      if (inode) this.#durable.set(full(child), inode);
      else this.#durableFolders.add(full(child));
    }
  }
}
