/** Grafana's dashboards, as data: what is asked, in PromQL, and how it is shown. `generate.ts` writes the files. */

export interface Panel {
  title: string;
  unit: 'reqps' | 's' | 'percentunit' | 'short' | 'none' | 'eps';
  /** Legend → PromQL. Legends may name labels: `{{module}}`. */
  queries: Record<string, string>;
}

export interface Dashboard {
  /** Of the file, and in the address. */
  uid: string;
  title: string;
  panels: readonly Panel[];
}

const http = 'mobility_http_request_duration_seconds';
const unlock = 'route=~"/v1/bookings/[{]bookingId[}]/unlock(-remotely)?"';
const book = 'route="/v1/bookings",method="POST"';

const overview: Dashboard = {
  uid: 'overview', title: 'Overview',
  panels: [
    { title: 'Requests', unit: 'reqps', queries: { '{{status}}': `sum by (status) (rate(${http}_count[5m]))` } },
    { title: 'Slowest routes, 95 of 100 are faster', unit: 's', queries: { '{{method}} {{route}}': `topk(5, histogram_quantile(0.95, sum by (le, method, route) (rate(${http}_bucket[5m]))))` } },
    { title: 'Failures of operations', unit: 'eps', queries: { '{{module}}.{{operation}}': 'sum by (module, operation) (rate(mobility_operation_duration_seconds_count{outcome="failed"}[5m])) > 0' } },
    { title: 'Processes that are ready', unit: 'short', queries: { '{{instance}}': 'mobility_ready' } },
    { title: 'Modules that run', unit: 'short', queries: { '{{module}}': 'sum by (module) (mobility_module_started)' } },
    { title: 'Busiest operations', unit: 'reqps', queries: { '{{module}}.{{operation}}': 'topk(10, sum by (module, operation) (rate(mobility_operation_duration_seconds_count[5m])))' } },
  ],
};

const riding: Dashboard = {
  uid: 'riding', title: 'Riding',
  panels: [
    { title: 'Rides an hour', unit: 'short', queries: { 'begun, {{vehicle_type}}': 'sum by (vehicle_type) (increase(mobility_rides_started_total[1h]))', 'ended, {{vehicle_type}}': 'sum by (vehicle_type) (increase(mobility_rides_ended_total[1h]))' } },
    { title: 'Bookings that are not over', unit: 'short', queries: { '{{state}}': 'max by (state) (mobility_bookings_open)' } },
    { title: 'Bookings an hour, by what became of them', unit: 'short', queries: { '{{outcome}}': 'sum by (outcome) (increase(mobility_bookings_total[1h]))' } },
    { title: 'Searches that find nothing', unit: 'percentunit', queries: { share: 'sum(rate(mobility_vehicle_searches_total{found="no"}[30m])) / sum(rate(mobility_vehicle_searches_total[30m]))' } },
    { title: 'Vehicles', unit: 'short', queries: { '{{type}} {{status}}': 'max by (type, status) (mobility_vehicles)' } },
    { title: 'Commands to vehicles', unit: 'eps', queries: { '{{kind}} {{outcome}}': 'sum by (kind, outcome) (rate(mobility_vehicle_commands_total[5m]))' } },
    { title: 'From a command to its proof, 95 of 100', unit: 's', queries: { '{{kind}}': 'histogram_quantile(0.95, sum by (le, kind) (rate(mobility_vehicle_command_duration_seconds_bucket[15m])))' } },
  ],
};

const payments: Dashboard = {
  uid: 'payments', title: 'Payments',
  panels: [
    { title: 'Money an hour, in minor units', unit: 'short', queries: { 'captured {{currency}}': 'sum by (currency) (increase(mobility_revenue_captured_minor_total[1h]))', 'given back {{currency}}': 'sum by (currency) (increase(mobility_revenue_refunded_minor_total[1h]))', 'owed {{currency}}': 'sum by (currency) (increase(mobility_revenue_owed_minor_total[1h]))' } },
    { title: 'The ledger: 0', unit: 'none', queries: { '{{currency}}': 'max by (currency) (mobility_ledger_balance_minor)' } },
    { title: 'Providers that answer', unit: 'short', queries: { '{{provider}}': 'max by (provider) (mobility_payment_provider_available)' } },
    { title: 'Attempts', unit: 'eps', queries: { '{{kind}} {{provider}} {{result}}': 'sum by (kind, provider, result) (rate(mobility_payment_provider_duration_seconds_count[5m]))' } },
    { title: 'How long providers take, 95 of 100', unit: 's', queries: { '{{kind}} {{provider}}': 'histogram_quantile(0.95, sum by (le, kind, provider) (rate(mobility_payment_provider_duration_seconds_bucket[15m])))' } },
  ],
};

const vehicles: Dashboard = {
  uid: 'vehicles', title: 'Telemetry and IoT',
  panels: [
    { title: 'Connected vehicles', unit: 'short', queries: { '{{instance}}': 'mobility_iot_connected_vehicles' } },
    { title: 'Messages of vehicles', unit: 'eps', queries: { '{{route}}': 'sum by (route) (rate(mobility_iot_messages_total[5m]))' } },
    { title: 'Telemetry', unit: 'eps', queries: { received: 'sum(mobility_telemetry_records_per_second)', written: 'sum(rate(mobility_telemetry_records_written_total[5m]))', dropped: 'sum(rate(mobility_telemetry_records_dropped_total[5m]))' } },
    { title: 'From the vehicle to live state', unit: 's', queries: { '{{quantile}}': 'max by (quantile) (mobility_telemetry_freshness_seconds)' } },
    { title: 'Not in history yet', unit: 'short', queries: { events: 'max(mobility_telemetry_lag_events)', 'history waits': 'max(mobility_telemetry_history_waits)' } },
    { title: 'From an alarm to an incident, 95 of 100', unit: 's', queries: { seconds: 'histogram_quantile(0.95, sum by (le) (rate(mobility_incident_open_duration_seconds_bucket[1h])))' } },
    { title: 'Days until certificates run out', unit: 'short', queries: { '{{certificate}}': '(min by (certificate) (mobility_certificate_expiry_timestamp_seconds) - time()) / 86400' } },
  ],
};

const saturation: Dashboard = {
  uid: 'saturation', title: 'Saturation',
  panels: [
    { title: 'Event loop, 99 of 100', unit: 's', queries: { '{{instance}}': 'nodejs_eventloop_lag_p99_seconds' } },
    { title: 'Processor', unit: 'percentunit', queries: { '{{instance}}': 'rate(process_cpu_seconds_total[5m])' } },
    { title: 'Memory', unit: 'short', queries: { '{{instance}}': 'process_resident_memory_bytes' } },
    { title: 'Transactions', unit: 'short', queries: { '{{module}} running': 'sum by (module) (mobility_database_transactions_running)', '{{module}} waiting': 'sum by (module) (mobility_database_transactions_waiting)', '{{module}} at the most': 'sum by (module) (mobility_database_pool_size)' } },
    { title: 'Time of a transaction, 95 of 100', unit: 's', queries: { '{{module}}': 'histogram_quantile(0.95, sum by (le, module) (rate(mobility_database_transaction_duration_seconds_bucket[5m])))' } },
    { title: 'Databases that answer', unit: 'short', queries: { '{{module}}': 'max by (module) (mobility_database_up)' } },
    { title: 'Outbox', unit: 's', queries: { '{{module}}': 'max by (module) (mobility_outbox_age_seconds)' } },
    { title: 'Events in outboxes', unit: 'short', queries: { '{{module}}': 'max by (module) (mobility_outbox_events)' } },
    { title: 'Late timers', unit: 'short', queries: { '{{module}}': 'max by (module) (mobility_timers_overdue)' } },
    { title: 'How late', unit: 's', queries: { '{{module}}': 'max by (module) (mobility_timers_delay_seconds)' } },
    { title: 'Groups behind', unit: 'short', queries: { '{{group}} {{topic}}': 'max by (group, topic) (mobility_consumer_lag_events) > 0' } },
    { title: 'Events handled', unit: 'eps', queries: { '{{group}} {{outcome}}': 'sum by (group, outcome) (rate(mobility_consumer_events_total[5m]))' } },
    { title: 'Time for a batch of events, 95 of 100', unit: 's', queries: { '{{group}}': 'histogram_quantile(0.95, sum by (le, group) (rate(mobility_consumer_duration_seconds_bucket[5m])))' } },
    { title: 'From an event to its handling, 95 of 100', unit: 's', queries: { '{{group}}': 'histogram_quantile(0.95, sum by (le, group) (rate(mobility_consumer_event_age_seconds_bucket[5m])))' } },
    { title: 'Events appended', unit: 'eps', queries: { '{{topic}}': 'sum by (topic) (rate(mobility_events_appended_total[5m]))' } },
    { title: 'Events that were given up', unit: 'short', queries: { '{{topic}}': 'max by (topic) (mobility_dead_letters)' } },
  ],
};

const serviceLevels: Dashboard = {
  uid: 'service-levels', title: 'Service levels',
  panels: [
    { title: 'Budget of unlocking that is not used', unit: 'percentunit', queries: { left: 'mobility:unlock_error_budget:left' } },
    { title: 'Unlocking that fails', unit: 'percentunit', queries: { '5 minutes': 'mobility:unlock_errors:ratio_rate5m', '1 hour': 'mobility:unlock_errors:ratio_rate1h', '6 hours': 'mobility:unlock_errors:ratio_rate6h' } },
    { title: 'Unlocking, by answer', unit: 'reqps', queries: { '{{status}}': `sum by (status) (rate(${http}_count{${unlock}}[5m]))` } },
    { title: 'Budget of booking that is not used', unit: 'percentunit', queries: { left: 'mobility:booking_error_budget:left' } },
    { title: 'Bookings that fail', unit: 'percentunit', queries: { '5 minutes': 'mobility:booking_errors:ratio_rate5m', '1 hour': 'mobility:booking_errors:ratio_rate1h', '6 hours': 'mobility:booking_errors:ratio_rate6h' } },
    { title: 'Time to book', unit: 's', queries: { 'half': `histogram_quantile(0.5, sum by (le) (rate(${http}_bucket{${book}}[5m])))`, '95 of 100': 'mobility:booking_duration_seconds:p95_rate5m' } },
  ],
};

export const dashboards: readonly Dashboard[] = [overview, riding, payments, vehicles, saturation, serviceLevels];
