/** Amazon's own DynamoDB Local: the API of DynamoDB on SQLite, from Maven Central. */
import { join } from 'node:path';
import { awsSettings } from './aws.ts';
import { requiredProgram } from './debian.ts';
import type { Engine } from './engine.ts';
import { fetchJars, jarFolder } from './maven.ts';


const version = '2.6.1';
const sqliteVersion = '1.0.392';
const jars = `dynamodb-local-${version}`;

export const dynamodb: Engine = {
  name: 'dynamodb',
  install: () => fetchJars(jars, [
    { group: 'com.amazonaws', name: 'DynamoDBLocal', version },
    // The native half of SQLite.
    { group: 'com.almworks.sqlite4java', name: 'libsqlite4java-linux-amd64', version: sqliteVersion, type: 'so' },
  ]),
  launch: async ({ folder, port }) => {
    const library = jarFolder(jars);
    return {
      command: requiredProgram('java'),
      arguments: [
        // Starts faster, and stays small beside the other engines.
        '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx256m', `-Djava.library.path=${library}`, `-Dsqlite4java.library.path=${library}`, '-cp', join(library, '*'),
        'com.amazonaws.services.dynamodbv2.local.main.ServerRunner', '-port', String(port), '-dbPath', folder, '-sharedDb', '-disableTelemetry',
      ],
      // It answers an unsigned request with a refusal.
      isReady: async () => (await fetch(`http://127.0.0.1:${port}`)).status === 400,
      settings: { MOBILITY_DYNAMODB_TABLE: 'mobility', MOBILITY_DYNAMODB_URL: `http://127.0.0.1:${port}`, ...awsSettings },
    };
  },
};
