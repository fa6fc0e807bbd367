/** The Helm chart: rendered by real Helm, held against the schemas of Kubernetes, and against the program that it runs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { modules } from '../../server/modules.ts';
import { readConfiguration, settings } from '../../server/program/configuration.ts';
import { unsafeSettings } from '../../server/program/safety.ts';
import { helm, validateManifests } from '../../tools/engines/deployment.ts';
import { run } from '../../tools/engines/engine.ts';
import { repositoryRoot } from '../../tools/source/source.ts';
import { chartFolder, component, type Container, type Manifest, type PodSpec, render, type Rendered } from './chart.ts';
import { enginesOfModules, keyFilesOf } from './what-modules-use.ts';

const installMs = 900_000;
const names = modules.map(({ name }) => name).toSorted();
/** Oldest and newest that the chart says it is for. */
const kubernetesVersions = ['1.30', '1.37'];
let chart: Rendered;
let values: { targets: Record<string, { stateful: boolean; calls: string[]; uses: string[]; keys: string[] }> };

beforeAll(async () => {
  chart = await render('--set', 'monitoring.enabled=true,tracing.url=http://collector.monitoring.svc:4318', '--set-file', `monitoring.rules=${join(repositoryRoot, 'deploy/observability/rules/alerts.yaml')}`);
  values = parse(await readFile(join(chartFolder, 'values.yaml'), 'utf8')) as typeof values;
}, installMs);

const podOf = (manifest: Manifest): PodSpec => manifest.spec.template?.spec ?? { containers: [] };
const containerOf = (manifest: Manifest): Container => podOf(manifest).containers[0] ?? { name: '', image: '', args: [] };
const workloads = (): Manifest[] => [...chart.of('Deployment'), ...chart.of('StatefulSet')];
const targetOf = (manifest: Manifest): string => manifest.metadata.labels?.[component] ?? '';

describe('what others say about the chart', () => {
  test('helm lint finds nothing', async () => {
    expect(await run(await helm(), ['lint', '--strict', chartFolder])).toContain('0 chart(s) failed');
  });

  test.each(kubernetesVersions)('every manifest fits the schemas of Kubernetes %s, without a property too many', { timeout: installMs }, async (version) => {
    const plain = await render();
    const said = await validateManifests(plain.file, version);
    expect(said).not.toMatch(/WARN|ERROR/);
    expect(said.match(/passed/g)).toHaveLength(plain.manifests.length);
  });

  test('a manifest with a mistake in it is found', { timeout: installMs }, async () => {
    const wrong = await render('--set', 'workloads.tolerations[0].keyy=spot');
    await expect(validateManifests(wrong.file, '1.34')).rejects.toThrow(/keyy/);
  });

  test.each([
    ['targets.iot.replicas=2', '/targets/iot/replicas'], ['settings.PORT=1', 'settings'], ['image.tags=v1', 'tags'], ['publicUrl=http://a.example', 'publicUrl'], ['engines.kafka.ports={}', 'ports'],
    ['targets.booking.keys={../../etc/passwd}', 'keys'],
  ])('values with %s are refused', async (value, where) => {
    await expect(render('--set', value)).rejects.toThrow(where);
  });
});

describe('workloads', () => {
  test('there is one for each module of the program, and each is told where all the others are', () => {
    expect(workloads().map(targetOf).toSorted()).toEqual(names);
    for (const workload of workloads()) {
      const target = targetOf(workload);
      expect(containerOf(workload).args).toEqual(['serve', `--target=${target}`]);
      const peers = readConfiguration({ MOBILITY_PEERS: containerOf(workload).env?.find(({ name }) => name === 'MOBILITY_PEERS')?.value }).MOBILITY_PEERS;
      expect(Object.keys(peers).toSorted()).toEqual(names.filter((name) => name !== target));
      const services = chart.of('Service').map(({ metadata }) => metadata.name);
      for (const url of Object.values(peers)) expect(services).toContain(new URL(String(url)).hostname);
    }
  });

  test('those that keep nothing in memory run at least twice, scale, and are spread; the others are sets of one', () => {
    for (const workload of workloads()) {
      const target = targetOf(workload);
      const scaler = chart.of('HorizontalPodAutoscaler').find(({ spec }) => spec.scaleTargetRef?.name === workload.metadata.name);
      if (values.targets[target]?.stateful) {
        expect({ kind: workload.kind, replicas: workload.spec.replicas, scaler }).toEqual({ kind: 'StatefulSet', replicas: 1, scaler: undefined });
      } else {
        expect({ kind: workload.kind, replicas: workload.spec.replicas }).toEqual({ kind: 'Deployment', replicas: undefined });
        expect(scaler?.spec.minReplicas, target).toBeGreaterThanOrEqual(2);
      }
      expect(podOf(workload).topologySpreadConstraints?.map(({ topologyKey }) => topologyKey)).toEqual(['topology.kubernetes.io/zone', 'kubernetes.io/hostname']);
    }
  });

  test('without autoscaling the number of replicas is the one given', async () => {
    const fixed = await render('--set', 'targets.booking.autoscaling.enabled=false,targets.booking.replicas=3');
    expect(fixed.workload('booking').spec.replicas).toBe(3);
  });

  test('each has three probes that the program answers, a disruption budget, requests and limits', () => {
    for (const workload of workloads()) {
      const { startupProbe, livenessProbe, readinessProbe, ports, resources } = containerOf(workload);
      for (const [probe, path] of [[startupProbe, '/health/ready'], [livenessProbe, '/health/live'], [readinessProbe, '/health/ready']] as const) {
        expect(probe?.httpGet?.path).toBe(path);
        expect(ports?.map(({ name }) => name)).toContain(probe?.httpGet?.port);
      }
      const budgets = chart.of('PodDisruptionBudget').filter(({ spec }) => spec.selector?.matchLabels?.[component] === targetOf(workload));
      expect(budgets.map(({ spec }) => spec.maxUnavailable)).toEqual([1]);
      expect(Object.keys(resources?.requests ?? {}).toSorted()).toEqual(['cpu', 'memory']);
      expect(Object.keys(resources?.limits ?? {})).toContain('memory');
    }
  });

  test('a pod has longer to end than the program takes to finish what it has accepted', async () => {
    const source = await readFile(join(repositoryRoot, 'server/program/commands/serve.ts'), 'utf8');
    const stopLimitMs = Number(/stopLimitMs = ([\d_]+);/.exec(source)?.[1]?.replaceAll('_', ''));
    expect(stopLimitMs).toBeGreaterThan(0);
    for (const workload of workloads()) {
      const pauseSeconds = containerOf(workload).lifecycle?.preStop?.sleep?.seconds ?? 0;
      expect(pauseSeconds).toBeGreaterThan(0);
      expect(podOf(workload).terminationGracePeriodSeconds).toBeGreaterThan(pauseSeconds + stopLimitMs / 1000);
    }
  });

  test('every setting exists in the program, has a value that it takes, and all that it needs in production is there', () => {
    const shared = chart.of('ConfigMap')[0]?.data ?? {};
    for (const workload of workloads()) {
      const own = Object.fromEntries((containerOf(workload).env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
      const secret = (containerOf(workload).env ?? []).flatMap(({ name, valueFrom }) => (valueFrom ? [name] : []));
      // Those of Amazon's SDK have names of its own.
      expect([...Object.keys(shared), ...Object.keys(own), ...secret].filter((name) => !(name in settings) && !name.startsWith('AWS_'))).toEqual([]);
      const read = readConfiguration({ ...shared, ...own });
      expect(read).toMatchObject({ demo: false, HOST: '0.0.0.0', MOBILITY_INTERNAL_PORT: 8081, PORT: 8080 });
      expect(unsafeSettings(readConfiguration({ ...shared, ...own, MOBILITY_DATABASE_URL: 'postgres://postgres.engines.svc/mobility' }))).toEqual([]);
    }
  });
});

describe('who may do what', () => {
  test('nobody is root, writes to the image, gains rights, or holds a token of Kubernetes', () => {
    const pods = [...workloads(), ...chart.of('Job')];
    expect(pods).toHaveLength(names.length + 1);
    for (const pod of pods) {
      expect(podOf(pod)).toMatchObject({ automountServiceAccountToken: false, securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } } });
      expect(podOf(pod).containers.map(({ securityContext }) => securityContext)).toEqual([{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }]);
    }
  });

  test('no secret stands in any manifest: secrets are named only, each setting that is secret comes from one', () => {
    expect(chart.of('Secret')).toEqual([]);
    const secretSettings = Object.entries(settings).filter(([, setting]) => setting.secret).map(([name]) => name);
    expect(secretSettings).toContain('MOBILITY_DATABASE_URL');
    for (const pod of [...workloads(), ...chart.of('Job')]) {
      for (const { name, value } of containerOf(pod).env ?? []) if (secretSettings.includes(name) || /SECRET|PASSWORD|ACCESS_KEY/.test(name)) expect({ name, value }).toEqual({ name, value: undefined });
    }
    expect(Object.keys(chart.of('ConfigMap')[0]?.data ?? {}).filter((name) => secretSettings.includes(name))).toEqual([]);
    // A key of the settings that is secret is refused where it would stand in the open.
    expect(JSON.stringify(chart.manifests)).not.toMatch(/BEGIN [A-Z ]*PRIVATE KEY|sk_(test|live)_/);
  });

  test('a workload is given the keys of the platform that its module uses, and no others', () => {
    for (const workload of workloads()) {
      const target = targetOf(workload);
      const given = podOf(workload).volumes?.find(({ name }) => name === 'keys')?.secret?.items.map(({ key }) => key).toSorted();
      expect(given, target).toEqual(keyFilesOf(target));
    }
  });

  test('each names the engines that its module uses', () => {
    const used = enginesOfModules();
    for (const [target, { uses }] of Object.entries(values.targets)) expect(uses.filter((engine) => engine !== 'providers').toSorted(), target).toEqual(used[target]);
  });
});

describe('the network', () => {
  /** The golden list of who calls whom. */
  async function calls(): Promise<string[]> {
    const page = await readFile(join(repositoryRoot, 'docs/reference/calls.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \| `([a-z-]+)` \|/gm)].map(([, caller, called]) => `${caller} → ${called}`);
    expect(rows.length).toBeGreaterThan(15);
    return [...new Set(rows)].toSorted();
  }
  const policies = (): Manifest[] => chart.of('NetworkPolicy').filter(({ spec }) => names.includes(spec.podSelector?.matchLabels[component] ?? ''));
  const policyTarget = ({ spec }: Manifest): string => spec.podSelector?.matchLabels[component] ?? '';

  test('what a module calls lets its policy reach exactly that, and what is called lets exactly its callers in', async () => {
    const expected = await calls();
    const out = policies().flatMap((policy) => (policy.spec.egress ?? []).flatMap(({ to }) => (to ?? []).flatMap(({ podSelector }) => podSelector?.matchLabels[component] ?? [])).map((called) => `${policyTarget(policy)} → ${called}`));
    const into = policies().flatMap((policy) => (policy.spec.ingress ?? []).flatMap(({ from }) => (from ?? []).flatMap(({ podSelector }) => podSelector?.matchLabels[component] ?? [])).map((caller) => `${caller} → ${policyTarget(policy)}`));
    expect(out.toSorted()).toEqual(expected);
    expect(into.toSorted()).toEqual(expected);
  });

  test('every pod of the platform is closed first, and each target has one policy', () => {
    const nothing = chart.of('NetworkPolicy').filter(({ spec }) => spec.podSelector?.matchLabels[component] === undefined);
    expect(nothing.map(({ spec }) => [spec.ingress, spec.egress])).toEqual([[undefined, undefined]]);
    expect(policies().map(policyTarget).toSorted()).toEqual(names);
  });

  test('from outside one reaches the gateway through the ingress, and vehicles the broker; only the payment orchestrator reaches out', () => {
    const fromOutside = policies().filter(({ spec }) => spec.ingress?.some(({ from, ports }) => from?.some(({ ipBlock, namespaceSelector }) => ipBlock ?? namespaceSelector) && !ports.some(({ port }) => port === 'internal')));
    expect(fromOutside.map(policyTarget).toSorted()).toEqual(['gateway', 'iot']);
    const everywhere = policies().filter(({ spec }) => spec.egress?.some(({ to }) => to?.some(({ ipBlock }) => ipBlock?.cidr === '0.0.0.0/0')));
    expect(everywhere.map(policyTarget)).toEqual(['payments-orchestrator']);
  });

  test('people come in by TLS: an ingress, or a route of the Gateway API, or neither', async () => {
    expect(chart.of('Ingress')[0]?.spec.tls).toEqual([{ hosts: ['mobility.example.com'], secretName: 'mobility-tls' }]);
    const route = await render('--set', 'ingress.kind=httproute,ingress.gateway.name=public');
    expect([route.of('Ingress').length, route.of('HTTPRoute').length]).toEqual([0, 1]);
    await expect(render('--set', 'ingress.kind=httproute')).rejects.toThrow('ingress.gateway.name');
    expect((await render('--set', 'ingress.kind=none')).of('Ingress')).toEqual([]);
  });
});

test('an operator of Prometheus is told what to ask and when to alert', () => {
  expect(chart.of('PodMonitor')).toHaveLength(1);
  const [rules] = chart.of('PrometheusRule') as unknown as { spec: { groups: { rules: { alert: string }[] }[] } }[];
  expect(rules?.spec.groups.flatMap((group) => group.rules).map(({ alert }) => alert)).toContain('BookingBudgetBurns');
});

test('the chart runs the version of package.json', async () => {
  const { version } = JSON.parse(await readFile(join(repositoryRoot, 'package.json'), 'utf8')) as { version: string };
  expect(parse(await readFile(join(chartFolder, 'Chart.yaml'), 'utf8'))).toMatchObject({ appVersion: version });
  expect(containerOf(chart.workload('gateway')).image).toBe(`registry.example.com/mobility:${version}`);
});
