/** Colours, sizes and type of the app, light and dark. Contrast of text on its ground is at least 4.5 to 1. */
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { AccessibilityInfo, useColorScheme, useWindowDimensions } from 'react-native';

const light = {
  dark: false,
  /** Behind everything. */
  ground: '#F3F5F0',
  /** Cards, sheets, bars. */
  surface: '#FFFFFF',
  /** A field or chip on a surface. */
  sunken: '#E9EEE6',
  ink: '#10231D',
  muted: '#53635C',
  line: '#DCE2DA',
  /** Borders of things to touch, 3 to 1 against their ground. */
  outline: '#7F8E87',
  primary: '#0B5D43',
  onPrimary: '#FFFFFF',
  /** A ride in progress. */
  live: '#10231D',
  onLive: '#FFFFFF',
  onLiveMuted: '#B9C9C0',
  spark: '#C8F25C',
  onSpark: '#10231D',
  good: '#0B6B47',
  goodGround: '#E0F3E8',
  warn: '#8A4B00',
  warnGround: '#FFF0D6',
  bad: '#A81C1C',
  badGround: '#FDE7E4',
  scrim: 'rgba(9, 20, 16, 0.5)',
  shadow: '0 2px 6px rgba(16, 35, 29, 0.08), 0 12px 32px rgba(16, 35, 29, 0.10)',
};

export type Palette = typeof light;

const dark: Palette = {
  dark: true,
  ground: '#0B1310',
  surface: '#141E1A',
  sunken: '#1E2A25',
  ink: '#EDF4EF',
  muted: '#A3B3AB',
  line: '#2A3832',
  outline: '#6F8078',
  primary: '#5FD8A6',
  onPrimary: '#06231A',
  live: '#1E2A25',
  onLive: '#FFFFFF',
  onLiveMuted: '#B9C9C0',
  spark: '#C8F25C',
  onSpark: '#10231D',
  good: '#6FDFAF',
  goodGround: '#12352A',
  warn: '#FFC46B',
  warnGround: '#3A2A10',
  bad: '#FF9C92',
  badGround: '#3D1A18',
  scrim: 'rgba(0, 0, 0, 0.6)',
  shadow: '0 2px 6px rgba(0, 0, 0, 0.4), 0 12px 32px rgba(0, 0, 0, 0.4)',
};

export const space = { hair: 4, small: 8, medium: 12, large: 16, huge: 24, vast: 40 } as const;
export const corner = { small: 10, medium: 14, large: 20, sheet: 28, round: 999 } as const;
/** The least size of anything to touch. */
export const touchSize = 48;
/** From this width on, the panel stands beside the map. */
export const wideFromWidth = 900;
export const panelWidth = 440;

interface Theme {
  palette: Palette;
  /** The window is wide enough for panel and map side by side. */
  wide: boolean;
  reducedMotion: boolean;
}

const ThemeContext = createContext<Theme>({ palette: light, wide: false, reducedMotion: false });

export function ThemeProvider({ children }: { children: ReactNode }) {
  const palette = useColorScheme() === 'dark' ? dark : light;
  const { width } = useWindowDimensions();
  const [reducedMotion, setReducedMotion] = useState(false);

  useEffect(() => {
    void AccessibilityInfo.isReduceMotionEnabled().then(setReducedMotion);
    const subscription = AccessibilityInfo.addEventListener('reduceMotionChanged', setReducedMotion);
    return () => subscription?.remove();
  }, []);

  useEffect(() => {
    if (typeof document === 'undefined') return;
    document.documentElement.style.colorScheme = palette.dark ? 'dark' : 'light';
    document.body.style.backgroundColor = palette.ground;
  }, [palette]);

  return <ThemeContext.Provider value={{ palette, wide: width >= wideFromWidth, reducedMotion }}>{children}</ThemeContext.Provider>;
}

export const useTheme = (): Theme => useContext(ThemeContext);
export const usePalette = (): Palette => useContext(ThemeContext).palette;
