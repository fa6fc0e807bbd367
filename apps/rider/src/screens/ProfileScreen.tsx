/** The rider's own account. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Pressable, StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import type { Profile } from '../api/contract';
import { useChange, useProfile } from '../api/queries';
import { download } from '../components/download';
import { LanguageSwitch } from '../components/LanguageSwitch';
import { Button } from '../design/Button';
import { Icon } from '../design/Icon';
import type { IconName } from '../design/iconShapes';
import { Card, Divider, Loading, Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { Frame } from '../navigation/Shell';
import { useApi, useSession } from '../session/session';

function Entry({ icon, name, value, onPress }: { icon: IconName; name: string; value: string; onPress?: () => void }) {
  const palette = usePalette();
  const content = (
    <>
      <Icon name={icon} color={palette.primary} />
      <View style={styles.grow}>
        <Text variant="label">{name}</Text>
        <Text variant="small" tone="muted">
          {value}
        </Text>
      </View>
      {onPress && <Icon name="chevron-right" color={palette.muted} />}
    </>
  );
  if (!onPress) return <View style={styles.entry}>{content}</View>;
  return (
    <Pressable role="link" onPress={onPress} style={({ pressed }) => [styles.entry, pressed && styles.pressed]}>
      {content}
    </Pressable>
  );
}

function Person({ profile }: { profile: Profile }) {
  const { t, date } = useLanguage();
  const palette = usePalette();
  const initials = profile.name.split(/\s+/).slice(0, 2).map((part) => part[0] ?? '').join('').toUpperCase();
  return (
    <View style={styles.person}>
      <View style={[styles.avatar, { backgroundColor: palette.live }]} aria-hidden>
        <Text variant="heading" tone="spark">
          {initials}
        </Text>
      </View>
      <View style={styles.grow}>
        <Text variant="heading" level={2} numberOfLines={1}>
          {profile.name}
        </Text>
        <Text variant="small" tone="muted" numberOfLines={1}>
          {profile.email}
        </Text>
        <Text variant="tiny" tone="muted">
          {t('profile.since', { date: date(profile.createdAt) })}
        </Text>
      </View>
    </View>
  );
}

function Papers({ profile }: { profile: Profile }) {
  const { t, date } = useLanguage();
  const [, go] = useLocation();
  const { licence } = profile;
  const licenceValue = licence ? t(licence.verified ? 'profile.licence.verified' : 'profile.licence.pending', { classes: licence.classes.join(', '), date: date(licence.expiresOn) }) : t('profile.licence.none');
  return (
    <Card style={styles.entries}>
      <Entry icon="id-card" name={t('profile.licence')} value={licenceValue} onPress={() => go('/licence')} />
      <Divider />
      <Entry icon="shield-check" name={t('profile.identity')} value={t(profile.identityVerified ? 'profile.identity.verified' : 'profile.identity.pending')} />
      <Divider />
      <Entry icon="calendar-clock" name={t('profile.birthDate')} value={date(profile.birthDate)} />
    </Card>
  );
}

export function ProfileScreen() {
  const { t, failure } = useLanguage();
  const api = useApi();
  const queries = useQueryClient();
  const { signOut } = useSession();
  const profile = useProfile();
  const update = useChange('updateProfile', (updated) => {
    queries.setQueryData(['profile'], updated);
  });
  const exported = useMutation({
    mutationFn: async () => download(new Blob([JSON.stringify(await api.call('exportData', {}), null, 2)], { type: 'application/json' }), 'mobility.json'),
  });
  const leave = async (): Promise<void> => {
    queries.clear();
    await signOut();
  };
  const error = profile.error ?? update.error ?? exported.error;
  return (
    <Frame title={t('profile.title')}>
      {profile.isPending && <Loading label={t('common.loading')} />}
      {error && (
        <Notice kind="bad" urgent>
          {failure(error)}
        </Notice>
      )}
      {profile.data && (
        <>
          <Person profile={profile.data} />
          <Papers profile={profile.data} />
        </>
      )}
      <View style={styles.group}>
        <Text variant="strong">{t('profile.language')}</Text>
        <LanguageSwitch onChange={(locale) => update.mutate({ body: { locale } })} />
      </View>
      <View style={styles.group}>
        <Text variant="strong">{t('profile.account')}</Text>
        <Button kind="secondary" icon="download" title={t('profile.export')} busy={exported.isPending} onPress={() => exported.mutate()} />
        <Button kind="secondary" icon="log-out" title={t('profile.signOut')} onPress={() => void leave()} />
      </View>
    </Frame>
  );
}

const styles = StyleSheet.create({
  grow: { flex: 1, minWidth: 0 },
  person: { flexDirection: 'row', alignItems: 'center', gap: space.large },
  avatar: { width: 64, height: 64, borderRadius: corner.round, alignItems: 'center', justifyContent: 'center' },
  entries: { padding: 0, paddingHorizontal: space.large, gap: 0 },
  entry: { flexDirection: 'row', alignItems: 'center', gap: space.large, minHeight: 68, paddingVertical: space.small },
  pressed: { opacity: 0.7 },
  group: { gap: space.small },
});
