/** GBFS in one model: `loadGbfs` reads a system from a URL or a folder, `readSystem` from texts, `toGbfs` writes one. */
export { loadGbfs, type LoadOptions } from './load.ts';
export { readSystem, type FeedText, type SystemTexts } from './reading/system.ts';
export { toGbfs, type ExportedSystem, type GbfsExportOptions, type GbfsFile } from './export.ts';
export { Findings, GbfsError, type Finding, type Severity } from './finding.ts';
export { currencyExponent, minorUnits, decimalAmount } from './money.ts';
export { orientedRing, ringCrossesItself } from './geometry.ts';
export type * from './model.ts';
