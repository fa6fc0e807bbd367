/** What the Helm chart makes, as objects: rendered once by real Helm. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { helm } from '../../tools/engines/deployment.ts';
import { run } from '../../tools/engines/engine.ts';
import { repositoryRoot } from '../../tools/source/source.ts';

export const chartFolder = join(repositoryRoot, 'deploy/kubernetes/mobility');

interface Condition {
  path: string;
  port: string;
}
interface Probe {
  httpGet?: Condition;
}
export interface Container {
  name: string;
  image: string;
  args: string[];
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[];
  ports?: { name: string; containerPort: number }[];
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop?: { sleep?: { seconds: number } } };
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: Record<string, unknown>;
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
}
export interface PodSpec {
  automountServiceAccountToken?: boolean;
  serviceAccountName?: string;
  terminationGracePeriodSeconds?: number;
  securityContext?: Record<string, unknown>;
  topologySpreadConstraints?: { topologyKey: string }[];
  containers: Container[];
  volumes?: { name: string; secret?: { secretName: string; items: { key: string }[] } }[];
}
type Labels = Record<string, string>;
export interface Peer {
  podSelector?: { matchLabels: Labels };
  namespaceSelector?: { matchLabels: Labels };
  ipBlock?: { cidr: string };
}
export interface PolicyRule {
  from?: Peer[];
  to?: Peer[];
  ports: { port: string | number }[];
}
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Labels; annotations?: Labels };
  data?: Record<string, string>;
  spec: {
    replicas?: number;
    template?: { metadata: { labels: Labels }; spec: PodSpec };
    selector?: { matchLabels?: Labels };
    podSelector?: { matchLabels: Labels };
    scaleTargetRef?: { name: string };
    minReplicas?: number;
    maxUnavailable?: number;
    ingress?: PolicyRule[];
    egress?: PolicyRule[];
    tls?: { hosts: string[]; secretName: string }[];
  };
}

export interface Rendered {
  /** A file with all of it. */
  file: string;
  manifests: Manifest[];
  of(kind: string): Manifest[];
  /** Of one target: the object of that kind. @throws Error when there is none */
  workload(target: string): Manifest;
}

export const component = 'app.kubernetes.io/component';

/** `helm template` with values as on its command line. @throws Error with what Helm says */
export async function render(...helmArguments: string[]): Promise<Rendered> {
  const text = await run(await helm(), ['template', 'city', chartFolder, '--namespace', 'mobility', ...helmArguments]);
  const file = join(await mkdtemp(join(tmpdir(), 'mobility-chart-')), 'manifests.yaml');
  await writeFile(file, text);
  const manifests = parseAllDocuments(text).map((document) => document.toJS() as Manifest | null).filter((manifest) => manifest !== null);
  return {
    file, manifests,
    of: (kind) => manifests.filter((manifest) => manifest.kind === kind),
    workload(target) {
      const found = manifests.find(({ kind, metadata }) => ['Deployment', 'StatefulSet'].includes(kind) && metadata.labels?.[component] === target);
      if (!found) throw new Error(`the chart has no workload for ${target}`);
      return found;
    },
  };
}
