import { View } from 'react-native';
import type { PriceLine } from '../api/contract';
import { Divider, Line } from '../design/Surface';
import { Text } from '../design/Text';
import { space } from '../design/theme';
import { useLanguage } from '../i18n/language';

interface PriceLinesProps {
  lines: readonly PriceLine[];
  totalMinor: number;
  taxMinor: number;
  taxPercent?: number;
  currency: string;
}

/** A price in its parts; the parts add up to the total. */
export function PriceLines({ lines, totalMinor, taxMinor, taxPercent, currency }: PriceLinesProps) {
  const { t, money } = useLanguage();
  return (
    <View style={{ gap: space.small }}>
      {lines.map((line, index) => (
        <Line key={`${line.kind} ${index}`} name={t(`line.${line.kind}`)} value={money(line.amountMinor, currency)} />
      ))}
      <Divider />
      <Line strong name={t('quote.total')} value={money(totalMinor, currency)} />
      <Text variant="small" tone="muted">
        {t(taxPercent === undefined ? 'quote.tax.plain' : 'quote.tax', { amount: money(taxMinor, currency), percent: taxPercent ?? 0 })}
      </Text>
    </View>
  );
}
