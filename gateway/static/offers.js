// When an extra can be had during a stay, and what it costs then. The server decides; this shows only what it will take.

const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** The days of a stay on which an extra is offered. */
export function daysFor(extra, days) {
  return days.filter((day) => (
    (!extra.weekdays?.length || extra.weekdays.includes(WEEKDAYS[new Date(`${day}T00:00:00Z`).getUTCDay()]))
    && !extra.blackout_days?.includes(day)
    && (!extra.active_from || extra.active_from <= day)
    && (!extra.active_until || day <= extra.active_until)
  ));
}

/** Every choice of day and slot, `{}` for an extra without either. */
export function choicesOf(extra, days) {
  if (!extra.needs_day) return [{}];
  const slots = extra.slots?.length ? extra.slots : [undefined];
  return daysFor(extra, days).flatMap((day) => slots.map((slot) => (slot ? { day, slot } : { day })));
}

export const isSame = (one, other) => one.day === other.day && one.slot === other.slot;

/** The price of one unit: that of the day, or of the day of arrival. */
export function priceOn(extra, { from }, day) {
  const at = day ?? from;
  const season = (extra.seasons ?? []).find((each) => each.first_day <= at && at <= each.last_day);
  return (season ?? extra).unit_price;
}

/** What a line comes to. */
export function costOf(extra, session, { quantity, day }) {
  const price = priceOn(extra, session, day);
  const nights = Math.round((Date.parse(session.to) - Date.parse(session.from)) / 86400000);
  return { ...price, amount: price.amount * quantity * (extra.price_per === "night" ? Math.max(1, nights) : 1) };
}
