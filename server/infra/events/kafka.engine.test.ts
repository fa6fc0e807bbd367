import { engineSetting } from '../../../tools/engines/testing.ts';
import { eventLogConformance } from './conformance.ts';
import { underTestOn } from './testing/kafka.ts';

eventLogConformance('on Kafka', { open: underTestOn(() => engineSetting('MOBILITY_KAFKA_BROKERS')), module: new URL('./kafka-under-test.ts', import.meta.url) });
