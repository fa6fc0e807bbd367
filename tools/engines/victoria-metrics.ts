/** Debian's VictoriaMetrics: scrapes the program and answers PromQL; with its vmalert, which evaluates rules. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installPackages, requiredProgram } from './debian.ts';
import type { Engine } from './engine.ts';

const install = () => installPackages('vmalert', ['victoria-metrics']);
const answers = (url: string) => async () => (await fetch(url)).ok;

/** @param scrapeConfig path of what it scrapes */
export const victoriaMetrics = (scrapeConfig: string): Engine => ({
  name: 'victoria-metrics',
  install,
  async launch({ folder, port }) {
    const data = join(folder, 'data');
    await mkdir(data, { recursive: true });
    return {
      command: requiredProgram('victoria-metrics'),
      arguments: [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, `-promscrape.config=${scrapeConfig}`, '-promscrape.fileSDCheckInterval=1s', '-search.latencyOffset=0s', '-retentionPeriod=1', '-memory.allowedBytes=128MB'],
      isReady: answers(`http://127.0.0.1:${port}/health`),
      settings: {},
    };
  },
});

export interface RuleEvaluation {
  /** Paths of rule files. */
  rules: readonly string[];
  metricsUrl: string;
  alertmanagerUrl: string;
}

/** Evaluates rules against VictoriaMetrics, writes what they record back to it, and tells the Alertmanager of alerts. */
export const vmalert = ({ rules, metricsUrl, alertmanagerUrl }: RuleEvaluation): Engine => ({
  name: 'vmalert',
  install,
  launch: async ({ port }) => ({
    command: requiredProgram('vmalert'),
    arguments: [...rules.map((file) => `-rule=${file}`), `-datasource.url=${metricsUrl}`, `-remoteWrite.url=${metricsUrl}`, '-remoteWrite.flushInterval=1s', `-notifier.url=${alertmanagerUrl}`, `-httpListenAddr=127.0.0.1:${port}`],
    isReady: answers(`http://127.0.0.1:${port}/health`),
    settings: {},
  }),
});
