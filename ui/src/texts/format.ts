// Numbers, sizes, dates and durations in the catalogue's language.

/** Makes something when it is used for the first time. A window uses few of the formats, and each takes a while to make. */
function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** Makes the formats of a language. */
export function formats(language: string) {
  const number = lazy(() => new Intl.NumberFormat(language));
  const compact = lazy(() => new Intl.NumberFormat(language, { notation: 'compact', maximumFractionDigits: 1 }));
  const short = lazy(() => new Intl.NumberFormat(language, { maximumFractionDigits: 1 }));
  const time = lazy(() => new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' }));
  const seconds = lazy(() => new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' }));
  const date = lazy(() => new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', year: 'numeric' }));
  const dayTime = lazy(
    () => new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }),
  );
  const full = lazy(() => new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }));
  const relative = lazy(() => new Intl.RelativeTimeFormat(language, { numeric: 'auto' }));
  const plurals = lazy(() => new Intl.PluralRules(language));
  const lists = lazy(() => new Intl.ListFormat(language, { type: 'conjunction' }));
  const unit = (value: number, name: string, unitDisplay: 'narrow' | 'short' = 'narrow'): string =>
    new Intl.NumberFormat(language, {
      style: 'unit',
      unit: name,
      unitDisplay,
      maximumFractionDigits: value < 10 && name !== 'second' && name !== 'millisecond' ? 1 : 0,
    }).format(value);
  const sameDay = (a: number, b: number): boolean => new Date(a).toDateString() === new Date(b).toDateString();

  return {
    number: (value: number): string => number().format(value),
    compact: (value: number): string => compact().format(value),
    list: (items: readonly string[]): string => lists().format(items),
    /** `#` stands for the number. */
    plural: (value: number, forms: Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }): string =>
      (forms[plurals().select(value)] ?? forms.other).replace('#', number().format(value)),
    bytes(value: number): string {
      const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
      let size = value;
      let step = 0;
      while (size >= 1024 && step < names.length - 1) {
        size /= 1024;
        step += 1;
      }
      return `${size >= 100 ? number().format(Math.round(size)) : short().format(size)} ${names[step] ?? ''}`;
    },
    millis: (value: number): string =>
      value < 1000 ? unit(Math.round(value), 'millisecond', 'short') : value < 60_000 ? `${short().format(value / 1000)} s` : duration(value),
    duration,
    /** `9:05`, for a countdown. */
    countdown(millis: number): string {
      const all = Math.max(0, Math.ceil(millis / 1000));
      const part = (value: number): string => String(value).padStart(2, '0');
      const hours = Math.floor(all / 3600);
      const minutes = Math.floor((all % 3600) / 60);
      return hours > 0 ? `${hours}:${part(minutes)}:${part(all % 60)}` : `${minutes}:${part(all % 60)}`;
    },
    date: (at: number): string => date().format(at),
    full: (at: number): string => full().format(at),
    clock: (at: number): string => seconds().format(at),
    /** Only the time for today, else the day as well. */
    moment: (at: number, now: number): string => (sameDay(at, now) ? time().format(at) : dayTime().format(at)),
    ago(at: number, now: number): string {
      const past = (at - now) / 1000;
      const size = Math.abs(past);
      if (size < 45) return relative().format(0, 'second');
      if (size < 3600) return relative().format(Math.round(past / 60), 'minute');
      if (size < 86_400) return relative().format(Math.round(past / 3600), 'hour');
      if (size < 86_400 * 45) return relative().format(Math.round(past / 86_400), 'day');
      return date().format(at);
    },
  };

  /** The two largest units: `3h 5m`. */
  function duration(millis: number): string {
    const all = Math.max(0, Math.floor(millis / 1000));
    const parts: [number, string][] = [
      [Math.floor(all / 86_400), 'day'],
      [Math.floor((all % 86_400) / 3600), 'hour'],
      [Math.floor((all % 3600) / 60), 'minute'],
      [all % 60, 'second'],
    ];
    const first = parts.findIndex(([value]) => value > 0);
    if (first < 0) return unit(0, 'second');
    return parts
      .slice(first, first + 2)
      .filter(([value], index) => index === 0 || value > 0)
      .map(([value, name]) => unit(value, name))
      .join(' ');
  }
}
