/**
 * A store that speaks S3's API and keeps its objects in one bbolt file: conditional writes, listings in the order of the
 * keys, durable after a kill, started in milliseconds. It takes any credentials. Others that were tried: a gateway on
 * files (versitygw) cannot keep both `a` and `a/b`; Adobe's S3Mock makes one bucket several times when several ask.
 */
import { join } from 'node:path';
import { awsSettings } from './aws.ts';
import type { Engine } from './engine.ts';
import { buildProgram, builtProgram } from './go.ts';

const version = '1.2.0';

export const s3: Engine = {
  name: 's3',
  install: () => buildProgram('gofakes3', version, 'github.com/johannesboyne/gofakes3/cmd/gofakes3'),
  launch: async ({ folder, port }) => ({
    command: builtProgram('gofakes3', version),
    arguments: ['-host', `127.0.0.1:${port}`, '-backend', 'bolt', '-bolt.db', join(folder, 'objects.db'), '-quiet'],
    isReady: async () => (await fetch(`http://127.0.0.1:${port}`)).ok,
    settings: { MOBILITY_S3_BUCKET: 'mobility', MOBILITY_S3_URL: `http://127.0.0.1:${port}`, ...awsSettings },
  }),
};
