/**
 * Whether this container's process is well: ends with 0 when it answers `GET /health/live`, or the path given. Asks the
 * internal server where there is one (a process of some targets), else the gateway's.
 */
const port = Number(process.env.MOBILITY_INTERNAL_PORT) || Number(process.env.PORT) || 8080;
const response = await fetch(`http://127.0.0.1:${port}${process.argv[2] ?? '/health/live'}`, { signal: AbortSignal.timeout(2_500) }).catch((error) => ({ ok: false, status: String(error.cause ?? error) }));
if (!response.ok) console.error(`port ${port}: ${response.status}`);
process.exitCode = response.ok ? 0 : 1;
