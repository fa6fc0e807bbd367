export interface GbfsFile { name: string; document: unknown }
export interface GbfsExportOptions { baseUrl: string }
export function toGbfs(): GbfsFile[] { return []; }
