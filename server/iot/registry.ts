/** Which certificates there are and how they stand: in the database, and in memory as far as they are in use. */
import type { Clock } from '../infra/clock/port.ts';
import type { Database } from '../infra/sql/port.ts';
import { Problem } from '../wire/problem.ts';
import type { CertificateAuthority, CertificateRequest, SignedCertificate } from './authority.ts';
import { bindToVehicle, type CertificateRow, certificatesOf, type CertificateStatus, findCertificate, insertCertificate, lockVehicle, setStatus, storeThing, takePending } from './store.ts';

/** How a certificate stands, as far as a connection needs it. */
export interface Standing {
  kind: 'claim' | 'device';
  vehicleId: string | null;
  status: CertificateStatus;
  expiresAtMs: number;
  /** The one that ends when this one is used. */
  replaces: string | null;
  isUsed: boolean;
}

export interface RegistryOptions {
  database: Database;
  clock: Clock;
  authority: CertificateAuthority;
  /** Certificates that do not open a connection any more. */
  onEnded(certificateIds: readonly string[]): void;
}

const rememberedCertificates = 200_000;

const standingOf = ({ kind, vehicleId, status, expiresAt, replaces, usedAt }: CertificateRow): Standing =>
  ({ kind, vehicleId, status, expiresAtMs: expiresAt.getTime(), replaces, isUsed: usedAt !== null });

export class Registry {
  readonly authority: CertificateAuthority;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #onEnded: RegistryOptions['onEnded'];
  readonly #standings = new Map<string, Standing>();
  /** Counts up with every change, so that what was read before it is not remembered after it. */
  #changes = 0;

  constructor({ database, clock, authority, onEnded }: RegistryOptions) {
    this.authority = authority;
    this.#database = database;
    this.#clock = clock;
    this.#onEnded = onEnded;
  }

  /** @returns undefined when we have not signed it, or have forgotten it on purpose */
  async standing(certificateId: string): Promise<Standing | undefined> {
    const known = this.#standings.get(certificateId);
    if (known) return known;
    for (;;) {
      const changes = this.#changes;
      const row = await findCertificate(this.#database.sql, certificateId);
      if (changes !== this.#changes) continue;
      if (!row) return undefined;
      const standing = standingOf(row);
      if (this.#standings.size >= rememberedCertificates) this.#forgetOldest();
      this.#standings.set(certificateId, standing);
      return standing;
    }
  }

  /** As far as is known without asking: right at once after a change. */
  isKnownActive(certificateId: string): boolean {
    return this.#standings.get(certificateId)?.status === 'active';
  }

  #forgetOldest(): void {
    const [oldest] = this.#standings.keys();
    if (oldest !== undefined) this.#standings.delete(oldest);
  }

  /** Called after the commit: from here on nobody is let in on what was. */
  #changed(certificateIds: readonly string[]): void {
    this.#changes += 1;
    for (const id of certificateIds) this.#standings.delete(id);
  }

  #end(certificateIds: readonly string[]): void {
    this.#changed(certificateIds);
    if (certificateIds.length > 0) this.#onEnded(certificateIds);
  }

  /** For the device in a vehicle. @param replaceOthers ends those before, and their connections */
  async issueForVehicle(vehicleId: string, request: CertificateRequest, replaceOthers: boolean): Promise<SignedCertificate> {
    const signed = await this.authority.signDevice(vehicleId, request.publicKey);
    const ended = await this.#database.transaction(async ({ sql }) => {
      await lockVehicle(sql, vehicleId);
      await storeThing(sql, { vehicleId, provisionedBy: null, provisionedAt: this.#clock.now() });
      const others = replaceOthers ? await certificatesOf(sql, [vehicleId]) : [];
      const ended = await setStatus(sql, others.filter(({ status }) => status === 'active').map(({ id }) => id), 'inactive');
      await insertCertificate(sql, { ...signed, kind: 'device', name: vehicleId, vehicleId, status: 'active', publicKeyHash: request.publicKeyHash });
      return ended.map(({ id }) => id);
    });
    this.#end(ended);
    return signed;
  }

  async issueClaim(name: string, request: CertificateRequest, validForDays: number): Promise<SignedCertificate> {
    const signed = await this.authority.signClaim(request.publicKey, validForDays);
    await insertCertificate(this.#database.sql, { ...signed, kind: 'claim', name, vehicleId: null, status: 'active', publicKeyHash: request.publicKeyHash });
    return signed;
  }

  /** For a device that has one: the new one works at once, the old one until the new one is used. Of several that were not used yet the last one counts. */
  async issueSuccessor(vehicleId: string, replaces: string, request: CertificateRequest, token: { hash: Uint8Array; expiresAt: Date }): Promise<SignedCertificate> {
    const signed = await this.authority.signDevice(vehicleId, request.publicKey);
    const ended = await this.#database.transaction(async ({ sql }) => {
      await lockVehicle(sql, vehicleId);
      const unused = (await certificatesOf(sql, [vehicleId])).filter((other) => other.replaces === replaces && other.status === 'active' && other.usedAt === null);
      const ended = await setStatus(sql, unused.map(({ id }) => id), 'inactive');
      await insertCertificate(sql, { ...signed, kind: 'device', name: vehicleId, vehicleId, status: 'active', publicKeyHash: request.publicKeyHash, replaces, askedBy: replaces, token });
      return ended.map(({ id }) => id);
    });
    this.#end(ended);
    return signed;
  }

  /** For a device that came with a claim: of no use until it is bound to the vehicle with its token. */
  async issuePending(name: string, claimId: string, request: CertificateRequest, token: { hash: Uint8Array; expiresAt: Date }): Promise<SignedCertificate> {
    const signed = await this.authority.signDevice(name, request.publicKey);
    await insertCertificate(this.#database.sql, { ...signed, kind: 'device', name, vehicleId: null, status: 'pending', publicKeyHash: request.publicKeyHash, askedBy: claimId, token });
    return signed;
  }

  /**
   * Binds a pending certificate to the vehicle that it was made out to.
   * @returns why not: `token` unknown, used, too old or another's; `name` another vehicle than the certificate says; `taken` the vehicle has a
   * certificate that is in use, which a claim alone does not replace
   */
  async bind(tokenHash: Uint8Array, askedBy: string, vehicleId: string): Promise<'bound' | 'token' | 'name' | 'taken'> {
    const now = this.#clock.now();
    const outcome = await this.#database.transaction(async ({ sql }) => {
      await lockVehicle(sql, vehicleId);
      const pending = await takePending(sql, tokenHash, askedBy, now);
      if (!pending) return 'token' as const;
      if (pending.name !== vehicleId) return 'name' as const;
      if (pending.status === 'active') return { bound: pending.id, ended: [] };
      const others = (await certificatesOf(sql, [vehicleId])).filter(({ status, expiresAt }) => status === 'active' && expiresAt > now);
      if (others.some(({ usedAt }) => usedAt !== null)) return 'taken' as const;
      // One that was never used is that of a device which lost its power before it had kept it.
      const ended = await setStatus(sql, others.map(({ id }) => id), 'inactive');
      await storeThing(sql, { vehicleId, provisionedBy: askedBy, provisionedAt: now });
      await bindToVehicle(sql, pending.id, vehicleId);
      return { bound: pending.id, ended: ended.map(({ id }) => id) };
    });
    if (typeof outcome === 'string') return outcome;
    this.#changed([outcome.bound]);
    this.#end(outcome.ended);
    return 'bound';
  }

  /** The first connection with a successor ends the certificate before it. */
  async succeed(certificateId: string, { vehicleId, replaces }: Standing): Promise<void> {
    const ended = replaces === null ? [] : await this.#database.transaction(async ({ sql }) => {
      if (vehicleId !== null) await lockVehicle(sql, vehicleId);
      const before = await findCertificate(sql, replaces);
      const ended = before?.status === 'active' ? await setStatus(sql, [before.id], 'inactive') : [];
      return ended.map(({ id }) => id);
    });
    const standing = this.#standings.get(certificateId);
    if (standing) standing.isUsed = true;
    this.#end(ended);
  }

  /** @throws Problem `not-found` */
  async revoke(certificateId: string): Promise<CertificateRow> {
    const [row] = await setStatus(this.#database.sql, [certificateId], 'revoked');
    if (!row) throw new Problem('not-found', 'There is no certificate of this id.');
    this.#end([certificateId]);
    return row;
  }
}
