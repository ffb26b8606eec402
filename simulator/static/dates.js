// Owns how moments are shown: the time on a bubble, the day above a group, and one short word in a list.

const LOCALE = "en-IN";
const DAY_MS = 86_400_000;
const time = new Intl.DateTimeFormat(LOCALE, { hour: "numeric", minute: "2-digit" });
const timeWithSeconds = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium", hourCycle: "h23" });
const weekday = new Intl.DateTimeFormat(LOCALE, { weekday: "long" });
const fullDate = new Intl.DateTimeFormat(LOCALE, { dateStyle: "long" });
const shortDate = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "numeric", year: "2-digit" });

export function showTime(at) {
  return time.format(new Date(at));
}

export function showTimeWithSeconds(at) {
  return timeWithSeconds.format(new Date(at));
}

export function showDay(at) {
  const days = daysAgo(at);
  if (days < 2) {
    return days < 1 ? "Today" : "Yesterday";
  }
  return (days < 7 ? weekday : fullDate).format(new Date(at));
}

export function showTimeOrDay(at) {
  const days = daysAgo(at);
  if (days < 1) {
    return showTime(at);
  }
  return days < 2 ? "Yesterday" : shortDate.format(new Date(at));
}

export function isSameDay(one, other) {
  return midnight(new Date(one)) === midnight(new Date(other));
}

// Rounded, because a day with a clock change is an hour shorter or longer.
function daysAgo(at) {
  return Math.round((midnight(new Date()) - midnight(new Date(at))) / DAY_MS);
}

function midnight(moment) {
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();
}
