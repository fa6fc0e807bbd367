/** Debian's Alertmanager: takes alerts, groups them, and tells PagerDuty. */
import { join } from 'node:path';
import { installPackages, requiredProgram } from './debian.ts';
import type { Engine } from './engine.ts';

export const alertmanager = (configuration: string): Engine => ({
  name: 'alertmanager',
  install: () => installPackages('prometheus-alertmanager', ['prometheus-alertmanager']),
  launch: async ({ folder, port }) => ({
    command: requiredProgram('prometheus-alertmanager'),
    arguments: [`--config.file=${configuration}`, `--storage.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address='],
    isReady: async () => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok,
    settings: {},
  }),
});
