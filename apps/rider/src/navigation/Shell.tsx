/** The frame of every screen: map underneath, a sheet over it on a phone, a panel beside it on a wide window. */
import { type ReactNode, useEffect } from 'react';
import { Pressable, ScrollView, StyleSheet, View } from 'react-native';
import { useSafeAreaInsets } from 'react-native-safe-area-context';
import { useLocation } from 'wouter';
import { IconButton } from '../design/Button';
import { Icon } from '../design/Icon';
import type { IconName } from '../design/iconShapes';
import { Text } from '../design/Text';
import { corner, panelWidth, space, usePalette, useTheme } from '../design/theme';
import { useLanguage } from '../i18n/language';
import type { MessageKey } from '../i18n/translate';
import { Sheet } from './Sheet';

const destinations: readonly { path: string; icon: IconName; name: MessageKey }[] = [
  { path: '/', icon: 'map', name: 'nav.explore' },
  { path: '/trips', icon: 'route', name: 'nav.trips' },
  { path: '/wallet', icon: 'wallet', name: 'nav.wallet' },
  { path: '/profile', icon: 'user', name: 'nav.profile' },
];

/** Paths that show the map with a sheet over it, on a phone. */
const onMap = (path: string): boolean => path === '/' || path.startsWith('/vehicles/') || path.startsWith('/bookings/');
const focusedTask = (path: string): boolean => path.startsWith('/vehicles/') || path.startsWith('/bookings/') || path === '/licence';

function Navigation({ rail }: { rail: boolean }) {
  const { t } = useLanguage();
  const palette = usePalette();
  const [path, go] = useLocation();
  const insets = useSafeAreaInsets();
  const current = onMap(path) ? '/' : path === '/licence' ? '/profile' : path;
  return (
    <View
      role="navigation"
      aria-label={t('nav.label')}
      style={[
        rail ? styles.rail : [styles.tabs, { paddingBottom: Math.max(insets.bottom, 6) }],
        { backgroundColor: palette.surface, borderColor: palette.line },
      ]}
    >
      {rail && (
        <View style={[styles.brand, { backgroundColor: palette.dark ? palette.spark : '#10231D' }]}>
          <Icon name="zap" size={24} color={palette.dark ? '#10231D' : '#C8F25C'} filled />
        </View>
      )}
      {destinations.map(({ path: target, icon, name }) => {
        const active = current === target;
        return (
          <Pressable key={target} role="link" aria-label={t(name)} {...(active && { 'aria-current': 'page' as const })} onPress={() => go(target)} style={({ pressed }) => [styles.tab, rail && styles.railTab, pressed && styles.pressed]}>
            <View style={[styles.tabIcon, active && { backgroundColor: palette.dark ? '#2A3A33' : '#DDF3E6' }]}>
              <Icon name={icon} size={22} color={active ? palette.primary : palette.muted} strokeWidth={active ? 2.4 : 2} />
            </View>
            <Text variant="tiny" tone={active ? 'primary' : 'muted'}>
              {t(name)}
            </Text>
          </Pressable>
        );
      })}
    </View>
  );
}

interface ShellProps {
  map: ReactNode;
  children: ReactNode;
}

export function Shell({ map, children }: ShellProps) {
  const { wide, palette } = useTheme();
  const [path] = useLocation();
  if (wide) {
    return (
      <View style={[styles.wide, { backgroundColor: palette.ground }]}>
        <Navigation rail />
        <View style={[styles.panel, { backgroundColor: palette.ground, borderColor: palette.line }]}>{children}</View>
        <View style={styles.flex}>{map}</View>
      </View>
    );
  }
  return (
    <View style={[styles.flex, { backgroundColor: palette.ground }]}>
      <View style={styles.flex}>
        <View style={[styles.under, !onMap(path) && (styles.hidden as object)]}>{map}</View>
        {children}
      </View>
      {!focusedTask(path) && <Navigation rail={false} />}
    </View>
  );
}

interface FrameProps {
  title: string;
  /** Where the arrow leads; no arrow without it. */
  back?: string | undefined;
  /** Beside the title. */
  aside?: ReactNode;
  /** Stays at the bottom while the rest scrolls. */
  footer?: ReactNode;
  /** Over the map on a phone, instead of the whole screen. */
  overMap?: boolean;
  /** The sheet may be pulled up and down. */
  resizable?: boolean;
  /** The title is said, not shown. */
  hideTitle?: boolean;
  children: ReactNode;
}

/** One screen: says its title to the browser and to screen readers, scrolls, keeps its actions in reach. */
export function Frame({ title, back, aside, footer, overMap = false, resizable = false, hideTitle = false, children }: FrameProps) {
  const { wide, palette } = useTheme();
  const { t } = useLanguage();
  const [, go] = useLocation();
  const insets = useSafeAreaInsets();

  useEffect(() => {
    if (typeof document !== 'undefined') document.title = `${title} · ${t('app.name')}`;
  }, [title, t]);

  const header = !hideTitle && (
    <View style={styles.header}>
      {back !== undefined && <IconButton name="chevron-left" label={t('common.back')} onPress={() => go(back)} size={26} />}
      <Text variant={overMap && !wide ? 'heading' : 'title'} level={1} style={[styles.flex, back === undefined && styles.headerText]} numberOfLines={2}>
        {title}
      </Text>
      {aside}
    </View>
  );
  const bar = footer && (
    <View style={[styles.footer, { borderColor: palette.line, backgroundColor: overMap && !wide ? palette.surface : palette.ground, paddingBottom: space.large + (overMap && !wide ? insets.bottom : 0) }]}>{footer}</View>
  );
  if (overMap && !wide) {
    return (
      <Sheet resizable={resizable} label={title} header={header} footer={bar}>
        {children}
      </Sheet>
    );
  }
  return (
    <View role="main" style={[styles.page, { backgroundColor: palette.ground, paddingTop: insets.top }]}>
      {header}
      <ScrollView style={styles.flex} contentContainerStyle={styles.content} keyboardShouldPersistTaps="handled">
        {children}
      </ScrollView>
      {bar}
    </View>
  );
}

const styles = StyleSheet.create({
  flex: { flex: 1, minWidth: 0 },
  under: { position: 'absolute', top: 0, right: 0, bottom: 0, left: 0 },
  /** Out of sight and out of reach of the keyboard, but drawn already when it comes back. */
  hidden: { visibility: 'hidden' } as object,
  wide: { flex: 1, flexDirection: 'row' },
  panel: { width: panelWidth, borderRightWidth: 1 },
  rail: { width: 92, borderRightWidth: 1, paddingVertical: space.large, gap: space.small, alignItems: 'center' },
  brand: { width: 52, height: 52, borderRadius: 18, alignItems: 'center', justifyContent: 'center', marginBottom: space.large },
  railTab: { flex: 0, width: 84, minHeight: 68 },
  tabs: { flexDirection: 'row', borderTopWidth: 1, paddingTop: 6 },
  tab: { flex: 1, minHeight: 52, alignItems: 'center', justifyContent: 'center', gap: 2, borderRadius: corner.medium },
  tabIcon: { paddingHorizontal: 16, paddingVertical: 4, borderRadius: corner.round },
  pressed: { opacity: 0.7 },
  page: { position: 'absolute', top: 0, right: 0, bottom: 0, left: 0 },
  header: { flexDirection: 'row', alignItems: 'center', paddingHorizontal: space.small, paddingVertical: space.small, minHeight: 60, gap: space.hair },
  headerText: { paddingLeft: space.small },
  content: { padding: space.large, paddingTop: space.small, gap: space.large },
  footer: { paddingHorizontal: space.large, paddingTop: space.medium, gap: space.small, borderTopWidth: 1 },
});
