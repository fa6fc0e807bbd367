/** "Are you all right?": the rider is asked, answers or is silent, and that decides. */
import type { Handlers } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { type incidentContract, incidentContract as contract, type RiderCheck } from './contract.ts';
import { answerWithinMs, checkShownMs, closesWhenFine, isSevereCrash, rodeAt, selfCloseAfterMs, silenceMeansHelp } from './domain/rules.ts';
import { next } from './domain/life-cycle.ts';
import { type Change, changeOne, type IncidentServices, system } from './incidents.ts';
import { checksOf, findIncident, type IncidentRow } from './store.ts';
import type { z } from 'zod';

type Operations = typeof incidentContract.operations;

const callMs = 3_000;
/** A severe crash does not wait any longer for somebody to say who rode. */
const patientAttempts = 3;

const absent = (error: unknown): undefined => {
  if (error instanceof Problem && error.code === 'not-found') return undefined;
  throw error;
};

/** @returns who rode the vehicle at that moment; undefined when nobody did */
async function riderOf({ bookings }: IncidentServices, { bookingId, vehicleId, occurredAt }: IncidentRow): Promise<string | undefined> {
  if (bookingId === null) return undefined;
  const ride = await bookings.getRide({ params: { bookingId } }, { timeoutMs: callMs }).catch(absent);
  // A booking of another vehicle is no business of this one, whatever it says.
  return ride?.vehicleId === vehicleId && rodeAt(ride, occurredAt.getTime()) ? ride.riderId : undefined;
}

/** Asks the one who rode; without anybody to ask a severe crash is for staff at once. */
export async function askRider(services: IncidentServices, incidentId: string, attempt: number): Promise<void> {
  const row = await findIncident(services.context.database.sql, incidentId);
  if (!row || row.state === 'closed' || row.askedAt !== null) return;
  let riderId: string | undefined;
  try {
    riderId = await riderOf(services, row);
  } catch (error) {
    if (attempt >= patientAttempts && isSevereCrash(row)) await changeOne(services, incidentId, (current, locked) => current.escalate(locked, 'a severe crash, and who rode cannot be found out yet'));
    throw error;
  }
  await changeOne(services, incidentId, async (current, locked) => {
    if (locked.state === 'closed' || locked.askedAt !== null) return;
    if (riderId === undefined) {
      if (isSevereCrash(locked)) await current.escalate(locked, 'a severe crash, and nobody rode');
      return;
    }
    const answerBy = new Date(current.now.getTime() + answerWithinMs);
    await current.note(locked, 'rider-asked', system, `has ${answerWithinMs / 1000} s to answer`);
    const asked = { riderId, askedAt: current.now, answerBy };
    if (next(locked.state, 'asked')) await current.advance(locked, 'asked', asked);
    else await current.update(locked, asked);
    current.schedule('rider-silent', locked.id, answerWithinMs);
    if (locked.bookingId !== null) current.transaction.publish(contract.events.riderAsked, locked.vehicleId, { incidentId: locked.id, riderId, bookingId: locked.bookingId, answerBy: answerBy.toISOString() });
  });
}

/** The time to answer is over. */
export function noteSilence(services: IncidentServices, incidentId: string): Promise<void> {
  return changeOne(services, incidentId, async (current, row) => {
    if (row.riderAnswer !== null || row.state === 'closed') return;
    await current.note(row, 'rider-silent', system, 'no answer in time', 'rider-silent');
    if (!silenceMeansHelp(row.severity)) return;
    const escalated = await current.escalate(row, 'silence after a crash');
    current.callForHelp(escalated);
  });
}

/** A bump whose rider is fine is over, unless somebody has taken it up. */
export function closeByItself(services: IncidentServices, incidentId: string): Promise<void> {
  return changeOne(services, incidentId, async (current, row) => {
    if (row.state !== 'checking' || row.riderAnswer !== 'fine' || !closesWhenFine(row.severity)) return;
    await current.note(row, 'closed', system, 'the rider is fine');
    await current.advance(row, 'closed', { closedAt: current.now, resolution: 'the rider is fine' });
  });
}

const presentCheck = (row: IncidentRow): z.infer<typeof RiderCheck>[] =>
  row.bookingId === null || !row.askedAt || !row.answerBy ? [] : [{ incidentId: row.id, bookingId: row.bookingId, occurredAt: row.occurredAt.toISOString(), askedAt: row.askedAt.toISOString(), answerBy: row.answerBy.toISOString(), answer: row.riderAnswer }];

async function answer(current: Change, row: IncidentRow, said: { answer: 'fine' | 'help'; text?: string | undefined }, riderId: string): Promise<IncidentRow> {
  if (row.state === 'closed') throw new Problem('incident-state', 'the incident is closed');
  const isNews = row.riderAnswer !== said.answer;
  if (!isNews && said.text === undefined) return row;
  await current.note(row, 'rider-answered', riderId, said.text === undefined ? said.answer : `${said.answer}: ${said.text}`);
  const answered = await current.update(row, { riderAnswer: said.answer });
  if (said.answer === 'fine') {
    if (closesWhenFine(row.severity)) current.schedule('close-by-itself', row.id, selfCloseAfterMs);
    return answered;
  }
  const escalated = await current.escalate(answered, 'the rider needs help');
  if (isNews) current.callForHelp(escalated);
  return escalated;
}

/** Riders see and answer what they are asked, and nothing else. */
export function riderHandlers(services: IncidentServices): Pick<Handlers<Operations>, 'listMyChecks' | 'answerCheck'> {
  const { database, clock } = services.context;
  return {
    async listMyChecks({ caller }) {
      const rows = await checksOf(database.sql, caller?.subject ?? '', new Date(clock.nowMs() - checkShownMs));
      return { items: rows.flatMap(presentCheck) };
    },
    answerCheck: ({ params, body, caller }) =>
      changeOne(services, params.incidentId, async (current, row) => {
        const riderId = caller?.subject;
        if (riderId === undefined || row.riderId !== riderId) throw new Problem('not-found', 'no such incident');
        const [check] = presentCheck(await answer(current, row, body, riderId));
        if (!check) throw new Problem('not-found', 'nobody was asked');
        return check;
      }),
  };
}
