/** The rider app: providers around, routes inside. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useFonts } from 'expo-font';
import { useState } from 'react';
import { SafeAreaProvider } from 'react-native-safe-area-context';
import { Router } from 'wouter';
import { worthRetrying } from './api/queries';
import { platformOrigin } from './configuration';
import { fontFiles } from './design/fonts';
import { ThemeProvider } from './design/theme';
import { LanguageProvider } from './i18n/language';
import { useAppLocation } from './navigation/location';
import { Routes } from './navigation/Routes';
import { SessionProvider } from './session/session';

export function App() {
  const [fontsReady, fontsMissing] = useFonts(fontFiles);
  const [queries] = useState(() => new QueryClient({ defaultOptions: { queries: { retry: worthRetrying, staleTime: 2_000 } } }));
  if (!fontsReady && !fontsMissing) return null;
  return (
    <SafeAreaProvider>
      <QueryClientProvider client={queries}>
        <SessionProvider origin={platformOrigin}>
          <LanguageProvider>
            <ThemeProvider>
              <Router hook={useAppLocation}>
                <Routes />
              </Router>
            </ThemeProvider>
          </LanguageProvider>
        </SessionProvider>
      </QueryClientProvider>
    </SafeAreaProvider>
  );
}
