import { type Dashboard, dashboards } from './dashboards.ts';

const columns = 24;
const width = 12;
const height = 8;

/** As Grafana imports and provisions it; the data source is chosen there. */
function toGrafana({ uid, title, panels }: Dashboard): object {
  return {
    uid: `mobility-${uid}`, title: `mobility: ${title}`, tags: ['mobility'], schemaVersion: 39, timezone: 'utc', refresh: '30s', time: { from: 'now-6h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' }] },
    panels: panels.map((panel, index) => ({
      id: index + 1, title: panel.title, type: 'timeseries', datasource: { type: 'prometheus', uid: '${datasource}' },
      gridPos: { x: (index * width) % columns, y: Math.floor((index * width) / columns) * height, w: width, h: height },
      fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
      targets: Object.entries(panel.queries).map(([legendFormat, expr], at) => ({ refId: String.fromCharCode(65 + at), expr, legendFormat })),
    })),
  };
}

/** Path in the repository → content. */
export const dashboardFiles = (): Map<string, string> => new Map(dashboards.map((dashboard) => [`deploy/observability/dashboards/${dashboard.uid}.json`, `${JSON.stringify(toGrafana(dashboard), undefined, 2)}\n`]));
