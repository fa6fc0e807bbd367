import type { ReactNode } from 'react';
import { Text as NativeText, type StyleProp, type TextStyle } from 'react-native';
import { type Palette, usePalette } from './theme';

const variants = {
  display: { fontFamily: 'Figtree-ExtraBold', fontSize: 40, lineHeight: 44, letterSpacing: -1 },
  title: { fontFamily: 'Figtree-Bold', fontSize: 26, lineHeight: 32, letterSpacing: -0.4 },
  heading: { fontFamily: 'Figtree-Bold', fontSize: 18, lineHeight: 24, letterSpacing: -0.1 },
  label: { fontFamily: 'Figtree-SemiBold', fontSize: 16, lineHeight: 22 },
  body: { fontFamily: 'Figtree-Medium', fontSize: 16, lineHeight: 24 },
  small: { fontFamily: 'Figtree-Medium', fontSize: 14, lineHeight: 20 },
  strong: { fontFamily: 'Figtree-SemiBold', fontSize: 14, lineHeight: 20 },
  tiny: { fontFamily: 'Figtree-SemiBold', fontSize: 12, lineHeight: 16 },
  figure: { fontFamily: 'Figtree-ExtraBold', fontSize: 48, lineHeight: 54, letterSpacing: -1.2, fontVariant: ['tabular-nums'] },
} as const satisfies Record<string, TextStyle>;

export type TextVariant = keyof typeof variants;
type Tone = 'ink' | 'muted' | 'good' | 'warn' | 'bad' | 'primary' | 'onPrimary' | 'onLive' | 'onLiveMuted' | 'onSpark' | 'spark';

interface TextProps {
  variant?: TextVariant;
  tone?: Tone & keyof Palette;
  /** Makes it a heading of this level for assistive technology. */
  level?: 1 | 2 | 3;
  /** Digits of one width, so that counting does not shake. */
  tabular?: boolean;
  align?: 'center' | 'right';
  numberOfLines?: number;
  style?: StyleProp<TextStyle>;
  id?: string;
  children: ReactNode;
}

export function Text({ variant = 'body', tone = 'ink', level, tabular, align, style, children, ...rest }: TextProps) {
  const palette = usePalette();
  return (
    <NativeText
      {...rest}
      {...(level && { role: 'heading', 'aria-level': level })}
      style={[variants[variant], { color: palette[tone], textAlign: align ?? 'left' }, tabular && { fontVariant: ['tabular-nums'] }, style]}
    >
      {children}
    </NativeText>
  );
}
