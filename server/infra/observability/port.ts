/** Logs, metrics and traces, without a vendor's name. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export interface Metrics {
  /** Counts up. Label names are fixed by the first use of a name. */
  count(name: string, help: string, labels?: Record<string, string>, by?: number): void;
  /** Seconds, into a histogram. */
  observeSeconds(name: string, help: string, seconds: number, labels?: Record<string, string>): void;
  /** Read when scraped. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void;
  /** The Prometheus text format. */
  scrape(): Promise<string>;
}
