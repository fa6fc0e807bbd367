/** Who is signed in, for the whole app. */
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { type AccessTokens, type Api, createApi } from '../api/client';
import { Failure } from '../api/failure';
import { beginSignIn, finishSignIn, type PendingSignIn, refreshTokens, revokeTokens, signOutAddress, type Tokens } from './openid';
import { openSignInPage, openSignOutPage, redirectUri, signedOutUri } from './signInPage';
import { exclusively, readStored, writeStored } from './storage';

const refreshName = 'mobility.refresh-token';
const pendingName = 'mobility.pending-sign-in';
/** Renewed this long before it runs out, so that no call carries a token that dies on the way. */
const renewBeforeMs = 30_000;
const restoreAgainMs = 3_000;

export type SessionState = 'restoring' | 'signed-out' | 'signed-in';

export interface Session {
  state: SessionState;
  api: Api;
  /** @param email filled into the form beforehand */
  signIn: (locale: string, email?: string) => Promise<void>;
  /** Called with the address that the sign-in page came back to. @throws Failure */
  completeSignIn: (address: string) => Promise<void>;
  signOut: () => Promise<void>;
}

const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('useSession needs a SessionProvider above it');
  return session;
}

export function useApi(): Api {
  return useSession().api;
}

interface SessionProviderProps {
  origin: string;
  children: ReactNode;
}

interface TokenKeeper {
  state: SessionState;
  /** Keeps fresh tokens, or forgets the old ones. */
  keep: (fresh: Tokens | undefined) => Promise<void>;
  accessToken: AccessTokens;
  idToken: () => string | undefined;
}

/** Holds the tokens, renews them before they run out, finds the last session again after a restart. */
function useTokens(origin: string): TokenKeeper {
  const [state, setState] = useState<SessionState>('restoring');
  const tokens = useRef<Tokens | undefined>(undefined);
  const renewal = useRef<Promise<string | undefined> | undefined>(undefined);

  const keep = useCallback(async (fresh: Tokens | undefined) => {
    tokens.current = fresh;
    await writeStored(refreshName, fresh?.refreshToken);
    setState(fresh ? 'signed-in' : 'signed-out');
  }, []);

  const renew = useCallback(
    () =>
      exclusively(refreshName, async () => {
        const stored = await readStored(refreshName);
        if (!stored) {
          await keep(undefined);
          return undefined;
        }
        try {
          const fresh = await refreshTokens(origin, stored, Date.now());
          await keep(fresh);
          return fresh.accessToken;
        } catch (error) {
          if (error instanceof Failure && error.code === 'session-ended') await keep(undefined);
          throw error;
        }
      }),
    [keep, origin],
  );

  const accessToken = useCallback<AccessTokens>(
    async (forceFresh) => {
      const current = tokens.current;
      if (!current) return undefined;
      if (!forceFresh && current.expiresAtMs - renewBeforeMs > Date.now()) return current.accessToken;
      renewal.current ??= renew().finally(() => {
        renewal.current = undefined;
      });
      return renewal.current;
    },
    [renew],
  );

  useEffect(() => {
    let stopped = false;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const restore = async (): Promise<void> => {
      try {
        await renew();
      } catch (error) {
        // Without a network the stored session is neither proven nor lost: try again, signed out only when told so.
        if (!stopped && error instanceof Failure && error.code !== 'session-ended') retry = setTimeout(() => void restore(), restoreAgainMs);
      }
    };
    void restore();
    return () => {
      stopped = true;
      clearTimeout(retry);
    };
  }, [renew]);

  const idToken = useCallback(() => tokens.current?.idToken, []);
  return { state, keep, accessToken, idToken };
}

export function SessionProvider({ origin, children }: SessionProviderProps) {
  const { state, keep, accessToken, idToken } = useTokens(origin);

  const completeSignIn = useCallback(
    async (address: string) => {
      const stored = await readStored(pendingName);
      await writeStored(pendingName, undefined);
      await keep(await finishSignIn(origin, address, stored ? (JSON.parse(stored) as PendingSignIn) : undefined, Date.now()));
    },
    [keep, origin],
  );

  const signIn = useCallback(
    async (locale: string, email?: string) => {
      const redirect = redirectUri(origin);
      const { address, pending } = await beginSignIn(origin, redirect, locale, email);
      await writeStored(pendingName, JSON.stringify(pending));
      const answer = await openSignInPage(address, redirect);
      if (answer) await completeSignIn(answer);
    },
    [completeSignIn, origin],
  );

  const signOut = useCallback(async () => {
    const stored = await readStored(refreshName);
    const address = signOutAddress(origin, signedOutUri(), idToken());
    await keep(undefined);
    if (stored) await revokeTokens(origin, stored);
    await openSignOutPage(address);
  }, [keep, idToken, origin]);

  const session = useMemo<Session>(
    () => ({ state, api: createApi(origin, accessToken), signIn, completeSignIn, signOut }),
    [state, origin, accessToken, signIn, completeSignIn, signOut],
  );
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}
