/** Jars from Maven Central, with all that they need, kept for the next time. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { installPackages, requiredProgram } from './debian.ts';
import { run } from './engine.ts';

export interface Artifact {
  group: string;
  name: string;
  version: string;
  /** `jar` unless given. */
  type?: string;
}

/** Where the files of a name lie once they are there. The name carries the version: what is kept is never looked at again. */
export const jarFolder = (name: string): string => join(homedir(), '.cache', 'mobility-engines', name);

const pom = (artifacts: readonly Artifact[]): string => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mobility</groupId><artifactId>engine</artifactId><version>1</version>
  <dependencies>${artifacts.map(({ group, name, version, type = 'jar' }) => `
    <dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version><type>${type}</type></dependency>`).join('')}
  </dependencies>
</project>
`;

/** Fetches the artifacts into `jarFolder(name)` unless they are there. @throws Error with what Maven says */
export async function fetchJars(name: string, artifacts: readonly Artifact[]): Promise<void> {
  await installPackages('java', ['openjdk-17-jre-headless']);
  const folder = jarFolder(name);
  if (existsSync(folder)) return;
  await installPackages('mvn', ['maven']);
  // Beside, then renamed: what was cut off is never taken for whole.
  const incoming = `${folder}.${process.pid}`;
  await mkdir(dirname(folder), { recursive: true });
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming);
  await writeFile(join(incoming, 'pom.xml'), pom(artifacts));
  await run(requiredProgram('mvn'), ['-B', '-q', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${incoming}`], { folder: incoming });
  await rename(incoming, folder).catch(async (error: unknown) => {
    // Another process was faster.
    if (!existsSync(folder)) throw error;
    await rm(incoming, { recursive: true });
  });
}
