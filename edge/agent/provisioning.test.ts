import { afterAll, beforeAll, expect, test } from 'vitest';
import { iotContract } from '../../server/iot/contract.ts';
import { eventually } from '../../server/program/testing.ts';
import type { AgentStorage, Identity } from '../storage/port.ts';
import { certificateRequest, isNearItsEnd, provisionByClaim, ProvisioningRefused, renewCertificate, storedIdentities } from './provisioning.ts';
import { type Garage, openGarage } from './testing/agents.ts';

let garage: Garage;
let claim: Omit<Identity, 'vehicleId'>;
beforeAll(async () => {
  garage = await openGarage();
  const { csrPem, privateKeyPem } = await certificateRequest('factory');
  const { certificatePem, authorityPem, brokerUrl } = await iot().issueClaim({ body: { csrPem, name: 'factory' } });
  claim = { certificatePem, authorityPem, brokerUrl, privateKeyPem };
});
afterAll(() => garage.dispose());

const iot = () => garage.running.client(iotContract);
const certificatesOf = async (vehicleId: string) => (await iot().getDevice({ params: { vehicleId } })).certificates;

test('EDGE-35: a new vehicle gets its own certificate by its claim, with a key that was made in it, and connects', async () => {
  const storage = garage.storage('new');
  const identity = await provisionByClaim({ ...claim, vehicleId: 'new' }, storage);
  expect(storedIdentities(storage)).toEqual([identity]);
  expect(identity.privateKeyPem).not.toBe(claim.privateKeyPem);
  const { agent } = garage.agent({ identity, storage });
  agent.connect();
  await eventually(async () => agent.isConnected);
});

/** A memory that fails at its n-th document, as when the power goes just before. */
function cutAt(storage: AgentStorage, written: number): AgentStorage {
  let left = written;
  return new Proxy(storage, {
    get(target, name: keyof AgentStorage) {
      if (name !== 'saveDocument') return target[name].bind(target);
      return (...given: Parameters<AgentStorage['saveDocument']>) => {
        if (left-- <= 0) throw new Error('the power went');
        target.saveDocument(...given);
      };
    },
  });
}

test('EDGE-36: the power may go before each step: the next start goes on, and in the end there is one certificate in use', async () => {
  for (let step = 0; step < 4; step++) {
    const vehicleId = `cut-${step}`;
    const storage = garage.storage(vehicleId);
    await expect(provisionByClaim({ ...claim, vehicleId }, cutAt(storage, step))).rejects.toThrow('the power went');
    const again = () => provisionByClaim({ ...claim, vehicleId }, storage);
    // A token works once: whoever lost the power after it was used is refused, and begins anew at the next try.
    const identity = storedIdentities(storage)[0] ?? (await again().catch(again));
    const { agent } = garage.agent({ identity, storage });
    agent.connect();
    await eventually(async () => agent.isConnected);
    expect((await certificatesOf(vehicleId)).filter(({ status }) => status === 'active')).toHaveLength(1);
    agent.disconnect();
    // What was left behind does not pass for the next certificate.
    expect((await renewCertificate(identity, storage)).certificatePem).not.toBe(identity.certificatePem);
  }
});

test('EDGE-35: a claim does not take over a vehicle that has a certificate', async () => {
  await expect(provisionByClaim({ ...claim, vehicleId: 'new' }, garage.storage('thief'))).rejects.toThrow(ProvisioningRefused);
});

test('EDGE-37: the next certificate takes over when it has worked, and ends the one before', async () => {
  const vehicleId = 'renewed';
  const storage = garage.storage(vehicleId);
  const first = await provisionByClaim({ ...claim, vehicleId }, storage);
  const { agent } = garage.agent({ identity: first, storage });
  agent.connect();
  await eventually(async () => agent.isConnected);
  agent.disconnect();
  const next = await renewCertificate(first, storage);
  expect(storedIdentities(storage)).toEqual([next]);
  agent.connect(next);
  await eventually(async () => agent.isConnected);
  await eventually(async () => (await certificatesOf(vehicleId)).filter(({ status }) => status === 'active').length === 1);
  await expect(renewCertificate(first, garage.storage('old'))).rejects.toThrow();
  expect(isNearItsEnd(next, Date.now())).toBe(false);
  expect(isNearItsEnd(next, Date.now() + 100 * 365 * 86_400_000)).toBe(true);
});

test('EDGE-36: without a network there is no certificate, and the next try goes on with the same key', async () => {
  const storage = garage.storage('far');
  await expect(provisionByClaim({ ...claim, vehicleId: 'far', brokerUrl: 'mqtts://127.0.0.1:1' }, storage)).rejects.toThrow();
  const identity = await provisionByClaim({ ...claim, vehicleId: 'far' }, storage);
  expect(identity.vehicleId).toBe('far');
});
