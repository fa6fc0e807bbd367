/**
 * Every MQTT topic between a vehicle and the platform. Those that begin with `$aws/` have the names and the
 * meaning that AWS IoT Core gives them, so that an agent can move there unchanged. The thing name, the MQTT
 * client id and the certificate's common name are all the vehicle's id.
 */
export const topics = {
  /** device → platform: `encodeTelemetry(…)`, QoS 1. */
  telemetry: (vehicleId: string) => `vehicles/${vehicleId}/telemetry`,
  /** device → platform: `ReportedState` as JSON, QoS 1, at every change and now and then. */
  state: (vehicleId: string) => `vehicles/${vehicleId}/state`,
  /** device → platform: `AlertMessage` as JSON, QoS 1, at once. */
  alerts: (vehicleId: string) => `vehicles/${vehicleId}/alerts`,
  /** platform → device: `CommandMessage` as JSON, QoS 1. */
  commands: (vehicleId: string) => `vehicles/${vehicleId}/commands`,
  /** platform → device, retained: the JWK set that unlock tokens are verified with. */
  unlockKeys: 'platform/unlock-keys',
  /** Classic shadow without a name; `operation` get, update or delete. Answers come on `/accepted`, `/rejected`, `/delta`, `/documents`. */
  shadow: (thing: string, operation: 'get' | 'update' | 'delete', name?: string) => `$aws/things/${thing}/shadow/${name === undefined ? '' : `name/${name}/`}${operation}`,
  /** `get` (pending executions), `start-next`, `{jobId}/get`, `{jobId}/update`, `notify`, `notify-next`. */
  jobs: (thing: string, rest: string) => `$aws/things/${thing}/jobs/${rest}`,
  /** Fleet provisioning, with a claim certificate: CSR in, own certificate and its ownership token out. */
  createCertificateFromCsr: '$aws/certificates/create-from-csr/json',
  /** Makes the thing and binds the certificate: `{ certificateOwnershipToken, parameters: { VehicleId } }`. */
  registerThing: (template: string) => `$aws/provisioning-templates/${template}/provision/json`,
} as const;

/** The provisioning template that vehicles register with. */
export const provisioningTemplate = 'vehicle';
