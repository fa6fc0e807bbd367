/** The price of the ride that is being planned, in its parts. */
import { View } from 'react-native';
import { useLocation } from 'wouter';
import type { PaymentMethod, Quote } from '../api/contract';
import { Failure } from '../api/failure';
import { Button } from '../design/Button';
import { Choice } from '../design/Choice';
import { Card, Line, Loading, Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { space } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { cardName } from './cardName';
import { PriceLines } from './PriceLines';

interface QuoteCardProps {
  quote: Quote | undefined;
  error: unknown;
  methods: readonly PaymentMethod[];
  methodId: string | undefined;
  onMethod: (methodId: string) => void;
}

export function QuoteCard({ quote, error, methods, methodId, onMethod }: QuoteCardProps) {
  const { t, money, failure } = useLanguage();
  const [here, go] = useLocation();
  if (error) {
    const licence = error instanceof Failure && error.code === 'licence-required';
    return (
      <View style={{ gap: space.medium }}>
        <Notice kind="warn" icon={licence ? 'id-card' : 'triangle-alert'} urgent>
          {licence ? t('quote.licence') : failure(error)}
        </Notice>
        {licence && <Button kind="secondary" icon="id-card" title={t('quote.licence.action')} onPress={() => go(`/licence?next=${encodeURIComponent(here)}`)} />}
      </View>
    );
  }
  if (!quote) return <Loading label={t('common.loading')} />;
  return (
    <Card>
      <Text variant="heading" level={2}>
        {t('quote.title')}
      </Text>
      <PriceLines lines={quote.lines} totalMinor={quote.totalMinor} taxMinor={quote.taxMinor} taxPercent={quote.taxPercent} currency={quote.currency} />
      {quote.depositMinor > 0 && <Line name={t('quote.deposit')} value={money(quote.depositMinor, quote.currency)} />}
      <Notice icon="shield-check">{t('quote.hold', { amount: money(quote.authorisedMinor, quote.currency) })}</Notice>
      {methods.length > 1 && (
        <View style={{ gap: space.small }}>
          <Text variant="strong">{t('quote.payWith')}</Text>
          <Choice label={t('quote.payWith')} options={methods.map((method) => ({ value: method.id, label: cardName(method), icon: 'credit-card' as const }))} value={methodId ?? ''} onChange={onMethod} />
        </View>
      )}
    </Card>
  );
}
