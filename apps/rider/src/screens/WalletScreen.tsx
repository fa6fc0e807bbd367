/** Cards to pay with. */
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Pressable, StyleSheet, View } from 'react-native';
import { useLocation, useSearch } from 'wouter';
import type { PaymentMethod } from '../api/contract';
import { useChange, usePaymentMethods } from '../api/queries';
import { cardName } from '../components/cardName';
import { Button, IconButton } from '../design/Button';
import { Icon } from '../design/Icon';
import { Empty, Loading, Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { type DemoCard, demoCards } from '../domain/demoCards';
import { useLanguage } from '../i18n/language';
import { nextPath } from '../navigation/nextPath';
import { Frame } from '../navigation/Shell';

function StoredCard({ method, first, onRemove }: { method: PaymentMethod; first: boolean; onRemove: () => void }) {
  const { t } = useLanguage();
  const palette = usePalette();
  const name = cardName(method);
  const [brand = ''] = name.split(' ····');
  return (
    <View style={[styles.card, first ? { backgroundColor: palette.live } : { backgroundColor: palette.surface, borderColor: palette.line, borderWidth: 1 }]}>
      <View style={styles.cardTop}>
        <Icon name="credit-card" size={26} color={first ? palette.spark : palette.ink} />
        {first && (
          <View style={[styles.badge, { backgroundColor: palette.spark }]}>
            <Text variant="tiny" tone="onSpark">
              {t('wallet.default')}
            </Text>
          </View>
        )}
      </View>
      <View style={styles.cardBottom}>
        <Text variant="heading" tone={first ? 'onLive' : 'ink'} tabular style={styles.grow}>
          {name}
        </Text>
        <View style={first && styles.onDark}>
          <IconButton name="trash-2" label={t('wallet.remove', { brand, last4: method.last4 })} onPress={onRemove} />
        </View>
      </View>
    </View>
  );
}

function DemoCards({ onAdd, adding }: { onAdd: (card: DemoCard) => void; adding: string | undefined }) {
  const { t } = useLanguage();
  const palette = usePalette();
  return (
    <View style={styles.list}>
      {demoCards.map((card) => (
        <Pressable
          key={card.token}
          role="button"
          aria-busy={adding === card.token}
          onPress={() => onAdd(card)}
          style={({ pressed }) => [styles.demo, { backgroundColor: palette.surface, borderColor: palette.line }, (pressed || adding === card.token) && { backgroundColor: palette.sunken }]}
        >
          <Icon name="credit-card" color={palette.primary} />
          <View style={styles.grow}>
            <Text variant="label">{t(card.name)}</Text>
            <Text variant="small" tone="muted">
              {t(card.body)}
            </Text>
          </View>
          <Icon name="plus" color={palette.muted} />
        </Pressable>
      ))}
    </View>
  );
}

export function WalletScreen() {
  const { t, failure } = useLanguage();
  const [, go] = useLocation();
  const next = nextPath(useSearch());
  const queries = useQueryClient();
  const methods = usePaymentMethods();
  const [adding, setAdding] = useState(false);
  const refresh = (): Promise<void> => queries.invalidateQueries({ queryKey: ['payment-methods'] });
  const add = useChange('addPaymentMethod', async () => {
    await refresh();
    setAdding(false);
    if (next) go(next);
  });
  const remove = useChange('removePaymentMethod', refresh);
  const items = methods.data?.items ?? [];
  const error = add.error ?? remove.error ?? methods.error;
  const choosing = adding || (methods.isSuccess && items.length === 0 && next !== undefined);
  return (
    <Frame title={t('wallet.title')} back={next}>
      {methods.isPending && <Loading label={t('common.loading')} />}
      {items.length > 0 && (
        <View style={styles.list}>
          {items.map((method, index) => (
            <StoredCard key={method.id} method={method} first={index === 0} onRemove={() => remove.mutate({ params: { paymentMethodId: method.id } })} />
          ))}
          {items.length > 1 && (
            <Text variant="small" tone="muted">
              {t('wallet.intro')}
            </Text>
          )}
        </View>
      )}
      {methods.isSuccess && items.length === 0 && !choosing && <Empty icon="wallet" title={t('wallet.empty.title')} body={t('wallet.empty.body')} />}
      {error && (
        <Notice kind="bad" urgent>
          {failure(error)}
        </Notice>
      )}
      {choosing ? (
        <>
          <Text variant="heading" level={2}>
            {t('wallet.add')}
          </Text>
          <Notice>{t('wallet.add.body')}</Notice>
          <DemoCards adding={add.isPending ? add.variables?.body.token : undefined} onAdd={({ provider, token }) => !add.isPending && add.mutate({ body: { provider, token } })} />
        </>
      ) : (
        <Button title={t('wallet.add')} icon="plus" kind={items.length > 0 ? 'secondary' : 'primary'} onPress={() => setAdding(true)} />
      )}
    </Frame>
  );
}

const styles = StyleSheet.create({
  grow: { flex: 1, minWidth: 0 },
  list: { gap: space.medium },
  card: { borderRadius: corner.large, padding: space.large, minHeight: 130, justifyContent: 'space-between', gap: space.large },
  cardTop: { flexDirection: 'row', justifyContent: 'space-between', alignItems: 'center' },
  cardBottom: { flexDirection: 'row', alignItems: 'center' },
  badge: { paddingHorizontal: space.medium, paddingVertical: 4, borderRadius: corner.round },
  onDark: { backgroundColor: 'rgba(255,255,255,0.92)', borderRadius: corner.round },
  demo: { flexDirection: 'row', alignItems: 'center', gap: space.medium, padding: space.large, borderRadius: corner.large, borderWidth: 1, minHeight: 64 },
});
