/** A sheet over the map: as high as its content, or pulled between three heights. */
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { PanResponder, Pressable, ScrollView, StyleSheet, useWindowDimensions, View } from 'react-native';
import { corner, space, useTheme } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';

interface SheetProps {
  label: string;
  resizable: boolean;
  header: ReactNode;
  footer: ReactNode;
  children: ReactNode;
}

type Height = 'low' | 'middle' | 'high';
const order: readonly Height[] = ['low', 'middle', 'high'];
const shares: Record<Height, number> = { low: 0.2, middle: 0.42, high: 0.8 };
/** A pull shorter than this is a slip of the finger. */
const leastPull = 30;

export function Sheet({ label, resizable, header, footer, children }: SheetProps) {
  const { palette, reducedMotion } = useTheme();
  const { t } = useLanguage();
  const { height: windowHeight } = useWindowDimensions();
  const { setCoveredBottom, mapAvailable } = useCity();
  const [height, setHeight] = useState<Height>('middle');
  const shown: Height = mapAvailable ? height : 'high';

  const pull = useMemo(
    () =>
      PanResponder.create({
        onMoveShouldSetPanResponder: (_, { dy }) => resizable && Math.abs(dy) > 6,
        onPanResponderRelease: (_, { dy }) => {
          if (Math.abs(dy) < leastPull) return;
          setHeight((current) => order[Math.max(0, Math.min(2, order.indexOf(current) + (dy < 0 ? 1 : -1)))] ?? current);
        },
      }),
    [resizable],
  );

  useEffect(() => () => setCoveredBottom(0), [setCoveredBottom]);

  return (
    <View
      role="main"
      aria-label={label}
      onLayout={({ nativeEvent }) => setCoveredBottom(Math.min(nativeEvent.layout.height, windowHeight * 0.6))}
      style={[
        styles.sheet,
        { backgroundColor: palette.surface, boxShadow: palette.dark ? '0 -8px 32px rgba(0,0,0,0.5)' : '0 -8px 32px rgba(16,35,29,0.14)' },
        resizable ? { height: windowHeight * shares[shown] } : { maxHeight: windowHeight * 0.82 },
        !reducedMotion && resizable && (styles.smooth as object),
      ]}
    >
      <View {...pull.panHandlers}>
        {resizable ? (
          <Pressable
            role="button"
            aria-label={t(shown === 'high' ? 'explore.sheet.collapse' : 'explore.sheet.expand')}
            aria-expanded={shown === 'high'}
            onPress={() => setHeight(shown === 'high' ? 'low' : 'high')}
            style={styles.handleArea}
          >
            <View style={[styles.handle, { backgroundColor: palette.outline }]} />
          </Pressable>
        ) : (
          <View style={styles.top} />
        )}
        {header}
      </View>
      <ScrollView style={styles.scroll} contentContainerStyle={styles.content} keyboardShouldPersistTaps="handled">
        {children}
      </ScrollView>
      {footer}
    </View>
  );
}

const styles = StyleSheet.create({
  sheet: { position: 'absolute', left: 0, right: 0, bottom: 0, borderTopLeftRadius: corner.sheet, borderTopRightRadius: corner.sheet, overflow: 'hidden' },
  smooth: { transitionProperty: 'height', transitionDuration: '240ms', transitionTimingFunction: 'cubic-bezier(0.2, 0.8, 0.2, 1)' } as object,
  handleArea: { height: 44, marginBottom: -18, alignItems: 'center', justifyContent: 'center' },
  handle: { width: 40, height: 5, borderRadius: 3, opacity: 0.6 },
  top: { height: space.small },
  scroll: { flexShrink: 1 },
  content: { paddingHorizontal: space.large, paddingBottom: space.large, gap: space.large },
});
