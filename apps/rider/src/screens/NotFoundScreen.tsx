/** A path that leads nowhere. */
import { useLocation } from 'wouter';
import { Empty } from '../design/Surface';
import { useLanguage } from '../i18n/language';
import { Frame } from '../navigation/Shell';

export function NotFoundScreen() {
  const { t } = useLanguage();
  const [, go] = useLocation();
  return (
    <Frame title={t('notFound.title')}>
      <Empty icon="map-pin" title={t('notFound.title')} body="" action={{ title: t('notFound.action'), onPress: () => go('/') }} />
    </Frame>
  );
}
