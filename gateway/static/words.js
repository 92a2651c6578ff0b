// Text in the guest's language from one file; amounts and dates as their locale writes them.

import { ofBrowser } from "./storage.js";

const NAME = "bellhop.language";

export class Words {
  constructor(messages, decimals) {
    this._messages = messages;
    this.decimals = decimals;
    /** The time zone of moments; undefined: that of the device. */
    this.zone = undefined;
    this.languages = Object.keys(messages);
    const wished = [ofBrowser.get(NAME), ...(navigator.languages ?? [navigator.language])].filter(Boolean);
    this.use(wished.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in messages) ?? "en");
  }

  use(language) {
    this.language = language;
    // A region the browser names for this language decides how dates look: en-GB, de-AT.
    this.locale = (navigator.languages ?? []).find((tag) => tag.slice(0, 2).toLowerCase() === language) ?? language;
    document.documentElement.lang = language;
    this._plural = new Intl.PluralRules(language);
  }

  choose(language) {
    ofBrowser.set(NAME, language);
    this.use(language);
  }

  /** The text of a name; `{count}` and the like are filled in. With a count, `name.one` and `name.other` are distinguished. */
  say(name, values = {}) {
    const all = this._messages[this.language];
    const text = (values.count !== undefined && all[`${name}.${this._plural.select(values.count)}`]) || all[name] || name;
    return text.replace(/\{(\w+)\}/g, (_, value) => values[value] ?? "");
  }

  /** What a language is called in itself. */
  nameOf(language) { return new Intl.DisplayNames(language, { type: "language" }).of(language); }

  has(name) { return name in this._messages[this.language]; }

  /** The guest's language of a text the hotel wrote in several. */
  own(texts = {}) { return texts[this.language] ?? texts.en ?? Object.values(texts)[0] ?? ""; }

  /** An amount in minor units. How many decimals a currency has is the gateway's word, for it is what is charged. */
  money({ amount, currency }) {
    const digits = this._digits(currency);
    const format = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
    return new Intl.NumberFormat(this.locale, format).format(amount / 10 ** digits);
  }

  /** An exact amount in major units, as the gateway writes it: `-12.50`; with all its decimals. */
  exact(text, currency) {
    const digits = Math.max(this._digits(currency), text.split(".")[1]?.length ?? 0);
    return new Intl.NumberFormat(this.locale, { style: "currency", currency, minimumFractionDigits: this._digits(currency), maximumFractionDigits: digits }).format(text);
  }

  /** An amount as it is typed: `12.50`. */
  plain({ amount, currency }) { return (amount / 10 ** this._digits(currency)).toFixed(this._digits(currency)); }

  /** The amount that was typed, with a point or a comma; null for what is none. */
  parsed(text, currency) {
    const digits = this._digits(currency);
    const [, whole, part = ""] = /^\s*(\d{1,9})(?:[.,](\d*))?\s*$/.exec(text) ?? [];
    return whole === undefined || part.length > digits ? null : { amount: Number(whole + part.padEnd(digits, "0")), currency };
  }

  /** Hundredths of a percent: 1000 is 10 %. */
  percent(rate) { return new Intl.NumberFormat(this.locale, { style: "percent", maximumFractionDigits: 2 }).format(rate / 10000); }

  _digits(currency) { return this.decimals[currency] ?? 2; }

  /** A date without a time, `2027-02-03`. */
  day(date, options = { weekday: "short", day: "numeric", month: "long" }) {
    return new Intl.DateTimeFormat(this.locale, { ...options, timeZone: "UTC" }).format(new Date(`${date}T00:00:00Z`));
  }

  /** A time of the day without a zone, `15:00`. */
  time(slot) {
    return new Intl.DateTimeFormat(this.locale, { timeStyle: "short", timeZone: "UTC" }).format(new Date(`1970-01-01T${slot}:00Z`));
  }

  /** The day of a line, and its time. */
  when({ day, slot }) { return slot ? `${this.day(day)}, ${this.time(slot)}` : this.day(day); }

  /** The days from one date to another. */
  span(from, to) {
    const format = new Intl.DateTimeFormat(this.locale, { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
    return format.formatRange(new Date(`${from}T00:00:00Z`), new Date(`${to}T00:00:00Z`));
  }

  /** The date of a moment, `2027-02-03`; without one, today. */
  dateOf(instant) {
    return new Intl.DateTimeFormat("en-CA", { timeZone: this.zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(instant);
  }

  /** A moment, as a clock in the zone shows it: only the time when it is today. */
  moment(instant) {
    const when = new Date(instant);
    const style = this.dateOf(when) === this.dateOf() ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
    return new Intl.DateTimeFormat(this.locale, { ...style, timeZone: this.zone }).format(when);
  }
}
